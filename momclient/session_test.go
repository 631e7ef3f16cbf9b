package momclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire/wiretest"
)

// TestDialBackSilence measures silence on the connection on which the server
// calls: an idle subscription lives on, and one whose callback connection says
// nothing any more is lost after two and a half heartbeats.
func TestDialBackSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network wiretest.FaultNetwork
		link := network.Link("10.0.0.1", wiretest.Shape{Latency: time.Millisecond, Buffer: 1 << 16, Pieces: 1, Grid: time.Millisecond}, 1)
		back := network.Link("10.0.0.1", wiretest.Shape{Latency: time.Millisecond, Buffer: 1 << 16, Pieces: 1, Grid: time.Millisecond}, 1)
		srv := momserver.New(momserver.Config{CallTimeout: time.Hour, DialContext: back.DialBack})
		l, err := network.Listen(memAddr)
		if err != nil {
			t.Fatal(err)
		}
		go srv.Serve(l)
		defer srv.Close()
		c := momclient.New(memAddr, momclient.Options{CallbackAddr: "10.0.0.1:0", DialContext: link.DialContext, Listen: back.Listen})
		defer c.Close()
		var statuses record
		c.OnConnection(func(s momclient.ConnectionStatus) { statuses.add("%v", s.Kind) })
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := statuses.take(); got != "connecting connected" || srv.Subscribers()[0].Callback == "" {
			t.Errorf("after an hour: %s, %+v", got, srv.Subscribers())
		}
		back.Block(wiretest.Down)
		go func() { // on the client's own connection the server is heard
			for range 100 {
				time.Sleep(time.Second)
				c.Jobs(context.Background())
			}
		}()
		time.Sleep(11 * time.Second) // three seconds since the last heartbeat, and two and a half of them
		synctest.Wait()
		if got := statuses.take(); got != "lost" {
			t.Errorf("without a heartbeat: %s", got)
		}
		time.Sleep(100 * time.Second)
		back.Heal()
	})
}
