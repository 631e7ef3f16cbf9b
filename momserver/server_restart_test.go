package momserver_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// TestRestartOverSockets restarts a server on its port, under a client that
// reconnects, and looks at the reasons for which it was dropped.
func TestRestartOverSockets(t *testing.T) {
	srv, addr := loopback(t, momserver.Config{})
	c := momclient.New(addr, momclient.Options{AutoReconnect: true, Period: 50 * time.Millisecond})
	defer c.Close()
	events, resumed := make(chan wire.Event, 1000), make(chan momclient.ConnectionStatus, 10)
	c.OnEvent(func(e wire.Event) { events <- e })
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Resumed {
			resumed <- s
		}
	})
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	run := func(srv *momserver.Server, packages int) {
		t.Helper()
		err := srv.Run(context.Background(), uuid.New(), wire.InitializeData{Name: "job"}, func(_ context.Context, j *momserver.Job) error {
			for range packages {
				p, err := j.StartPackage(wire.PackageHeader{FileSize: 10}, wire.PackageBody{Files: 1})
				if err != nil {
					return err
				}
				for _, step := range []func() error{
					func() error { return p.Sent(10) }, func() error { return p.Received(10) }, p.Transferred, p.Complete,
				} {
					if err := step(); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stream := invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	drain := func(epoch uuid.UUID, n int) {
		t.Helper()
		for range n {
			e := <-events
			if stream.Event(e); e.Epoch != epoch {
				t.Errorf("event %d is of %v; want %v", e.Seq, e.Epoch, epoch)
			}
		}
		if got, want := stream.Told(), (invariant.Told{Fresh: n, Last: uint64(n)}); got != want {
			t.Errorf("told %+v; want %+v", got, want)
		}
	}
	run(srv, 20)
	drain(srv.Epoch(), 2+20*5)
	srv.Close()
	if st := srv.Stats(); st.Drops[momserver.ReasonShutdown] != 1 {
		t.Errorf("dropped for %v", st.Drops)
	}

	next := momserver.New(momserver.Config{})
	defer next.Close()
	run(next, 3) // before anybody is there
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go next.Serve(l)
	if s := <-resumed; !s.NewEpoch || s.Epoch != next.Epoch() || s.Replayed != 17 || s.Missed != 0 {
		t.Errorf("resumed as %+v", s)
	}
	drain(next.Epoch(), 2+3*5)
	c.Unsubscribe()
	for len(next.Stats().Drops) == 0 {
		time.Sleep(time.Millisecond)
	}
	if st := next.Stats(); st.Drops[momserver.ReasonUnsubscribed] != 1 || len(st.Drops) != 1 {
		t.Errorf("dropped for %v", st.Drops)
	}
}
