// Command server embeds a MoM server. It prints its address, runs one job, and
// ends at the end of stdin.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

func main() {
	srv := momserver.New(momserver.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(l)
	fmt.Println(l.Addr())
	err = srv.Run(context.Background(), uuid.New(), wire.InitializeData{Name: "site to staging"}, func(context.Context, *momserver.Job) error { return nil })
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(io.Discard, os.Stdin)
	if err := srv.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
}
