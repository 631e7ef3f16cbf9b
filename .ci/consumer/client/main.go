// Command client subscribes to the MoM server at the address that it is given,
// and prints its events until a job has completed.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"mom.internal/momclient"
	"mom.internal/wire"
)

func main() {
	c := momclient.New(os.Args[1], momclient.Options{From: wire.FromOldest})
	defer c.Close()
	for e, err := range c.Events(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Name(), e.Data.Status.State)
		if e.Data.Status.State == wire.JobCompleted {
			return
		}
	}
}
