package momclient_test

import (
	"context"
	"fmt"
	"net"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// mirroring starts a server with one run in its cache, for the examples.
func mirroring() (addr string, stop func() error) {
	srv := momserver.New(momserver.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go srv.Serve(l)
	srv.Run(context.Background(), uuid.New(), wire.InitializeData{Name: "site to staging", Packages: 1, Bytes: 10},
		func(ctx context.Context, job *momserver.Job) error {
			pkg, err := job.StartPackage(wire.PackageHeader{FileSize: 10}, wire.PackageBody{Files: 1})
			if err == nil {
				pkg.Received(10)
				pkg.Sent(10)
				pkg.Transferred()
				err = pkg.Complete()
			}
			return err
		})
	return l.Addr().String(), srv.Close
}

// Events is the stream as a range loop; leaving it unsubscribes.
func ExampleClient_Events() {
	addr, stop := mirroring()
	defer stop()

	c := momclient.New(addr, momclient.Options{AutoReconnect: true, From: wire.FromOldest})
	defer c.Close()
	for e, err := range c.Events(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %v %.0f%%\n", e.Name(), e.Data.Status.State, 100*e.Data.Progress.Fraction())
		if e.EndsRun() {
			break
		}
	}
	// Output:
	// site to staging MirroringJobInitialized 0%
	// site to staging MirroringPackageInitialized 0%
	// site to staging Transferring 100%
	// site to staging Transferring 100%
	// site to staging Transferred 100%
	// site to staging MirroringPackageCompleted 100%
	// site to staging MirroringJobCompleted 100%
}

// OnEvent and OnConnection are the original's two handlers.
func ExampleClient_OnEvent() {
	addr, stop := mirroring()
	defer stop()

	c := momclient.New(addr, momclient.Options{From: wire.FromOldest, Filter: wire.Filter{States: []wire.State{wire.JobCompleted}}})
	done := make(chan struct{})
	c.OnEvent(func(e wire.Event) {
		fmt.Println(e.Seq, e.Data.Status.State)
		close(done)
	})
	statuses := make(chan momclient.ConnectionKind, 16)
	c.OnConnection(func(s momclient.ConnectionStatus) { statuses <- s.Kind })
	if err := c.Subscribe(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	<-done
	c.Close()
	fmt.Println(<-statuses, <-statuses, <-statuses)
	// Output:
	// 7 MirroringJobCompleted
	// connecting connected closed
}

// History and Jobs ask for what is cached, without subscribing.
func ExampleClient_History() {
	addr, stop := mirroring()
	defer stop()

	ctx := context.Background()
	c := momclient.New(addr, momclient.Options{})
	defer c.Close()
	events, cursor, err := c.History(ctx, wire.Cursor{}, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range events {
		fmt.Println(e.Seq, e.Data.Status.State)
	}
	rest, _, err := c.History(ctx, cursor, 0)
	fmt.Println(len(rest), "more", err)
	jobs, err := c.Jobs(ctx)
	fmt.Println(len(jobs), "job", err)
	// Output:
	// 1 MirroringJobInitialized
	// 2 MirroringPackageInitialized
	// 3 Transferring
	// 4 more <nil>
	// 1 job <nil>
}
