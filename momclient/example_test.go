package momclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/certs"
)

// mirroring starts a server with one run in its cache, for the examples.
func mirroring(cfg momserver.Config, listen string) (addr string, stop func() error) {
	srv := momserver.New(cfg)
	l, err := net.Listen("tcp", listen)
	if err != nil {
		panic(err)
	}
	go srv.Serve(l)
	srv.Run(context.Background(), uuid.New(), wire.InitializeData{Name: "site to staging", Packages: 1, Bytes: 10},
		func(ctx context.Context, job *momserver.Job) error {
			return job.Package(wire.PackageHeader{FileSize: 10}, wire.PackageBody{Files: 1}, func(pkg *momserver.Package) error {
				pkg.Moved(10)
				return nil
			})
		})
	return l.Addr().String(), srv.Close
}

// A handler gets each event, and another one each change of the connection.
func ExampleClient_OnEvent() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
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
	// 6 MirroringJobCompleted
	// connecting connected closed
}

// A range loop gets each event. Leaving the loop unsubscribes.
func ExampleClient_Events() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
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
	// site to staging Transferred 100%
	// site to staging MirroringPackageCompleted 100%
	// site to staging MirroringJobCompleted 100%
}

// An application that is restarted keeps its cursor as text, for example in a
// file, and goes on from there.
func ExampleClient_Cursor() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
	defer stop()

	c := momclient.New(addr, momclient.Options{From: wire.FromOldest})
	for e, err := range c.Events(context.Background()) {
		if err != nil || e.Seq == 3 {
			break
		}
	}
	kept := c.Cursor().String()
	c.Close()

	cursor, err := wire.ParseCursor(kept)
	if err != nil {
		fmt.Println(err)
		return
	}
	c = momclient.New(addr, momclient.Options{Cursor: cursor})
	defer c.Close()
	for e, err := range c.Events(context.Background()) {
		fmt.Println(e.Seq, e.Data.Status.State)
		if err != nil || e.EndsRun() {
			break
		}
	}
	// Output:
	// 4 Transferred
	// 5 MirroringPackageCompleted
	// 6 MirroringJobCompleted
}

// Without AutoReconnect the application decides when to subscribe again. The
// client goes on from the last event that has come, here with the events of a
// server that was restarted.
func ExampleClient_Subscribe() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")

	c := momclient.New(addr, momclient.Options{From: wire.FromOldest, Filter: wire.Filter{States: []wire.State{wire.JobCompleted}}})
	defer c.Close()
	done := make(chan struct{})
	c.OnEvent(func(e wire.Event) {
		fmt.Println(e.Seq, e.Data.Status.State)
		done <- struct{}{}
	})
	lost := make(chan struct{}, 16)
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Lost {
			lost <- struct{}{}
		}
	})
	subscribe := func() {
		for {
			err := c.Subscribe(context.Background())
			if err == nil || wire.IsFinal(err) {
				fmt.Println("subscribed:", err == nil)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}

	subscribe()
	<-done
	stop()
	<-lost
	_, stop = mirroring(momserver.Config{}, addr)
	defer stop()
	subscribe()
	<-done
	// Unordered output:
	// subscribed: true
	// 6 MirroringJobCompleted
	// subscribed: true
	// 6 MirroringJobCompleted
}

// The server and the client each have a certificate of one authority, and the
// client has the server's token as well.
func ExampleOptions_mutualTLS() {
	authority := certs.NewAuthority()
	addr, stop := mirroring(momserver.Config{
		Token: "secret",
		TLS: &tls.Config{
			Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")},
			ClientCAs:    authority.Pool(),
			ClientAuth:   tls.RequireAndVerifyClientCert,
		},
	}, "127.0.0.1:0")
	defer stop()

	opts := momclient.Options{
		Token: "secret",
		TLS: &tls.Config{
			Certificates: []tls.Certificate{authority.Issue("dashboard", time.Hour)},
			RootCAs:      authority.Pool(),
		},
	}
	c := momclient.New(addr, opts)
	defer c.Close()
	fmt.Println(c.Subscribe(context.Background()))

	opts.Token = "guess"
	other := momclient.New(addr, opts)
	defer other.Close()
	err := other.Subscribe(context.Background())
	fmt.Println(errors.Is(err, wire.Unauthorized), wire.IsFinal(err))
	// Output:
	// <nil>
	// true true
}

// The server dials back, and calls the client on that connection.
func ExampleOptions_callbackAddr() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
	defer stop()

	c := momclient.New(addr, momclient.Options{From: wire.FromOldest, CallbackAddr: "127.0.0.1:0"})
	defer c.Close()
	for e, err := range c.Events(context.Background()) {
		fmt.Println(e.Seq, e.Data.Status.State, err)
		break
	}
	// Output:
	// 1 MirroringJobInitialized <nil>
}

// History asks for cached events without a subscription.
func ExampleClient_History() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
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
	// Output:
	// 1 MirroringJobInitialized
	// 2 MirroringPackageInitialized
	// 3 Transferring
	// 3 more <nil>
}

// Jobs asks for the latest event of each job.
func ExampleClient_Jobs() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
	defer stop()

	c := momclient.New(addr, momclient.Options{})
	defer c.Close()
	jobs, err := c.Jobs(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range jobs {
		fmt.Println(e.Name(), e.Data.Status.State)
	}
	// Output:
	// site to staging MirroringJobCompleted
}

// A script waits for a run of a job, and ends with its outcome.
func ExampleClient_Wait() {
	srv := momserver.New(momserver.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Serve(l)
	defer srv.Close()
	job, err := srv.StartJob(momserver.JobID("/srv/site", "/mnt/staging"), wire.InitializeData{Name: "site to staging"})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { // the mirroring, which fails when somebody looks
		for srv.Stats().Subscribers == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		job.Fail(errors.New("no space left on device"))
	}()

	c := momclient.New(l.Addr().String(), momclient.Options{AutoReconnect: true})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	runs, err := c.Wait(ctx, "site to staging")
	for _, r := range runs {
		fmt.Println(r.Name, r.Outcome)
	}
	fmt.Println(err)
	// Output:
	// site to staging Failed
	// <nil>
}

// HistorySeq asks for cached events as a loop, which holds one page of them. It can
// be left at any time.
func ExampleClient_HistorySeq() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
	defer stop()

	c := momclient.New(addr, momclient.Options{})
	defer c.Close()
	for e, err := range c.HistorySeq(context.Background(), wire.Cursor{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Seq, e.Data.Status.State)
		if e.Data.Status.State == wire.Transferred {
			break
		}
	}
	// Output:
	// 1 MirroringJobInitialized
	// 2 MirroringPackageInitialized
	// 3 Transferring
	// 4 Transferred
}

// JobsSeq asks for the latest event of each job as a loop.
func ExampleClient_JobsSeq() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
	defer stop()

	c := momclient.New(addr, momclient.Options{})
	defer c.Close()
	for e, err := range c.JobsSeq(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Name(), e.Data.Status.State)
	}
	// Output:
	// site to staging MirroringJobCompleted
}
