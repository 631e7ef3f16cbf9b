package sockets_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// replay is a client that goes on from a cursor that is older than the cache,
// so that there is a gap, a snapshot and events, and is looked at in all that
// it gets.
type replay struct {
	stream *invariant.Stream

	subscribed atomic.Bool  // changed before troubles
	troubles   atomic.Int64 // lost connections, and refusals
	refused    atomic.Pointer[momclient.ConnectionStatus]
}

// replay runs one, whose name is what it goes through. It returns when the
// client is at the newest event, has got over the cut, and is closed, and the
// server has dropped it for its reasons.
func (srv *testServer) replay(name, addr string, c *cut) {
	srv.T.Helper()
	r := &replay{stream: invariant.NewStream(srv.Ledger, wire.Filter{}, srv.violated(name))}
	begin, end := wire.Cursor{Epoch: srv.Epoch(), Seq: 1}, srv.Ledger.Latest()
	r.stream.Restarted(begin)
	client := momclient.New(addr, momclient.Options{
		AutoReconnect: true, Period: time.Hour, CallTimeout: time.Hour, DialTimeout: time.Hour, // it waits for no time
		Queue: 6, Name: name, Cursor: begin, TLS: srv.tls, CallbackAddr: srv.callee,
	})
	client.OnConnection(r.status)
	client.OnEvent(r.stream.Event)
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	if err := client.Subscribe(ctx); err != nil {
		srv.T.Errorf("%s: %v", name, err)
	}
	cut := c.isDone() // before it is looked at what came of it
	for !(client.Cursor() == end && r.over(cut)) && r.refused.Load() == nil && ctx.Err() == nil {
		time.Sleep(20 * time.Microsecond)
		cut = c.isDone()
	}
	if s := r.refused.Load(); s != nil {
		srv.T.Errorf("%s: refused for good: %v", name, s.Err)
	}
	if !r.over(cut) {
		srv.violated(name)(invariant.Violation{Invariant: invariant.Liveness, Detail: "after the cut it is not subscribed again"})
	}
	r.stream.Converged(end, client.Cursor())
	client.Close()
	eventually(srv.T, name+" is dropped", func() bool { return srv.log.over(name) })
	srv.log.check(name, !cut && c.isDone(), srv.violated(name))
}

func (r *replay) status(s momclient.ConnectionStatus) {
	switch s.Kind {
	case momclient.Connected, momclient.Resumed:
		r.stream.Connected(s.Epoch)
		r.subscribed.Store(true)
	case momclient.Lost, momclient.Refused:
		r.subscribed.Store(false)
		r.troubles.Add(1)
		if s.Final && !errors.Is(s.Err, wire.Closed) {
			r.refused.Store(&s)
		}
	}
}

// over reports whether the client is subscribed, and that after the cut where
// it was made.
func (r *replay) over(cut bool) bool { return (!cut || r.troubles.Load() > 0) && r.subscribed.Load() }

// route is a way to a server, on which a connection may be cut.
type route interface {
	addr() string
	length(way) int64 // bytes carried
	close()           // waits for both ends of all connections to be closed by their owners
}

// cuts are where to cut sessions.
type cuts struct {
	dense int64 // each byte at the beginning of a session
	step  int64 // from there on
}

func (c cuts) of(length int64) (after []int64) {
	for n := int64(0); n <= length; {
		after = append(after, n)
		if n < c.dense {
			n++
		} else {
			n += c.step
		}
	}
	return after
}

// replayCuts cuts sessions in each way at so many places. Then the server has
// dropped each for its reason, and holds nothing of them.
func (srv *testServer) replayCuts(at cuts, to func(*cut) route) {
	t := srv.T
	t.Helper()
	idle := func() bool { return srv.Stats().Connections == 0 }
	r := to(nil)
	srv.replay("whole", r.addr(), nil)
	r.close()
	for _, w := range []way{up, down} {
		after := at.of(r.length(w))
		made := srv.replayEach(w, after, to)
		t.Logf("%v: a session of %d bytes, %d cuts", w, r.length(w), made)
		if least := int64(len(after) * len(endings) * 7 / 10); made < least && !t.Failed() {
			t.Errorf("%v: %d cuts; want %d at least", w, made, least)
		}
	}
	eventually(t, "no connection is left", idle)
	srv.settles("at the end")
}

// replayEach cuts one way after each of so many bytes, and returns how many of
// the sessions were as long.
func (srv *testServer) replayEach(w way, after []int64, to func(*cut) route) int64 {
	srv.T.Helper()
	next := make(chan *cut)
	var made atomic.Int64
	var replaying sync.WaitGroup
	for range 64 { // most of the time they wait to connect again
		replaying.Go(func() {
			for c := range next {
				if srv.replayCut(c, to) {
					made.Add(1)
				}
			}
		})
	}
	for _, n := range after {
		for _, how := range endings {
			if !srv.T.Failed() {
				next <- &cut{way: w, after: n, how: how}
			}
		}
	}
	close(next)
	replaying.Wait()
	return made.Load()
}

// replayCut replays through a cut, and reports whether the session was as long.
func (srv *testServer) replayCut(c *cut, to func(*cut) route) bool {
	srv.T.Helper()
	r := to(c)
	srv.replay(c.String(), r.addr(), c)
	r.close()
	return c.isDone()
}
