package sockets_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
)

// TestCutOnce cuts, in each way and after each number of bytes, the connection
// of clients that do not connect again: they are told that it is lost, by what
// they asked or by their status, and that it is no refusal. The server's half
// may have closed while theirs is open. Without MOM_TEST_SLOW it is each number
// of some.
func TestCutOnce(t *testing.T) {
	for _, secured := range secure() {
		srv := newReplayServer(t, secured, "")
		for _, asks := range []bool{false, true} {
			m := newProxy(srv.Addr, nil)
			srv.once("whole", m.addr(), nil, asks)
			m.close()
			for _, w := range []way{up, down} {
				for _, n := range places(secured).of(m.length(w)) {
					for _, how := range endings {
						c := &cut{way: w, after: n, how: how}
						m := newProxy(srv.Addr, c)
						srv.once(fmt.Sprintf("%v, TLS %v, asks %v", c, secured, asks), m.addr(), c, asks)
						m.close()
					}
				}
			}
		}
		eventually(t, "no connection is left", func() bool { return srv.Stats().Connections == 0 })
		srv.settles("at the end")
	}
}

// once has a client subscribe, or ask, and wants it to be told of the cut, or to
// get what it wants.
func (srv *testServer) once(name, addr string, c *cut, asks bool) {
	srv.T.Helper()
	client := momclient.New(addr, momclient.Options{TLS: srv.tls, From: wire.FromOldest, Name: name, Period: time.Hour, CallTimeout: time.Hour, DialTimeout: time.Hour})
	defer client.Close()
	lost := make(chan error, 1)
	client.OnConnection(func(s momclient.ConnectionStatus) {
		switch s.Kind {
		case momclient.Lost:
			lost <- s.Err
		case momclient.Refused:
			srv.T.Errorf("%s: %v", name, s)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	var err error
	if asks {
		_, err = client.Jobs(ctx)
	} else if err = client.Subscribe(ctx); err == nil {
		end := srv.Ledger.Latest()
		for err == nil && !(client.Cursor() == end && !c.isDone()) {
			select {
			case err = <-lost:
			case <-ctx.Done():
				err = ctx.Err()
			case <-time.After(20 * time.Microsecond):
			}
		}
	}
	if err != nil && (!errors.Is(err, wire.Lost) || wire.IsFinal(err) || !c.isDone()) {
		srv.T.Errorf("%s: %v", name, err)
	}
}
