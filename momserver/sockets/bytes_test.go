package sockets_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom/momclient"
	"mom/momserver"
	"mom/wire"
	"mom/wire/wiretest"
	"mom/wire/wiretest/invariant"
)

// bed is a server on a real socket, and what it has published.
type bed struct {
	t      *testing.T
	srv    *momserver.Server
	addr   string
	ledger invariant.Ledger
	runs   []invariant.Mark // the beginning of each
	tls    *tls.Config      // of clients
	callee string           // the callback address of clients

	reached atomic.Int64 // peers that have got to where they are stuck
}

// serve starts a server that ends with the test.
func serve(t *testing.T, cfg momserver.Config) *bed {
	t.Helper()
	b := new(bed)
	b.serve(t, cfg)
	return b
}

func (b *bed) serve(t *testing.T, cfg momserver.Config) {
	t.Helper()
	b.t, b.srv = t, momserver.New(cfg)
	b.ledger.Begin(b.srv.Epoch())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- b.srv.Serve(l) }()
	t.Cleanup(func() {
		b.srv.Close()
		if err := <-served; !errors.Is(err, momserver.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// publish publishes n events of so many runs in turn, none of which ends.
func (b *bed) publish(n, runs int) {
	b.t.Helper()
	for len(b.runs) < runs {
		b.runs = append(b.runs, invariant.Mark{
			JobID: uuid.New(), Name: fmt.Sprint("job ", len(b.runs)), RunID: uuid.New(),
			State: wire.Transferring, Severity: wire.SeverityProcessing,
		})
	}
	for i := range n {
		m := b.runs[i%runs]
		b.ledger.Publish(m)
		err := b.srv.Publish(wire.Event{JobID: m.JobID, RunID: m.RunID, Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: m.Name},
			Status:     wire.Status{State: m.State},
		}})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// replay has a client go on from a cursor that is older than the cache, so that
// there is a gap, a snapshot and events, and looks at all that it gets. It
// returns when the client is at the newest event and is closed.
func (b *bed) replay(what, addr string, period time.Duration) {
	b.t.Helper()
	stream := invariant.NewStream(&b.ledger, wire.Filter{}, func(v invariant.Violation) { b.t.Errorf("%s: %v", what, v) })
	begin, end := wire.Cursor{Epoch: b.srv.Epoch(), Seq: 1}, b.ledger.Latest()
	stream.Restarted(begin)
	c := momclient.New(addr, momclient.Options{AutoReconnect: true, Period: period, Queue: 6, Cursor: begin, TLS: b.tls, CallbackAddr: b.callee})
	var refused atomic.Pointer[momclient.ConnectionStatus]
	c.OnConnection(func(s momclient.ConnectionStatus) {
		switch {
		case s.Kind == momclient.Connected || s.Kind == momclient.Resumed:
			stream.Connected(s.Epoch)
		case s.Final && !errors.Is(s.Err, wire.ErrClosed):
			refused.Store(&s)
		}
	})
	c.OnEvent(stream.Event)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Subscribe(ctx); err != nil {
		b.t.Errorf("%s: %v", what, err)
	}
	for c.Cursor() != end && refused.Load() == nil && ctx.Err() == nil {
		time.Sleep(20 * time.Microsecond)
	}
	if s := refused.Load(); s != nil {
		b.t.Errorf("%s: refused for good: %v", what, s.Err)
	}
	stream.Converged(end, c.Cursor())
	c.Close()
}

// replayBed has a server with a small cache and small batches.
func replayBed(t *testing.T, secured bool, callee string) *bed {
	cfg := momserver.Config{CacheEvents: 12, BatchBytes: 200, GreetingsPerSecond: 1 << 30, DialsPerMinute: 1 << 30}
	b := &bed{callee: callee}
	if secured {
		authority := wiretest.NewAuthority()
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}}
		b.tls = &tls.Config{RootCAs: authority.Pool()}
	}
	b.serve(t, cfg)
	b.publish(30, 4)
	return b
}

// TestCutAtEveryByte cuts a whole session after each number of bytes, both
// ways, by its end and by a reset: the client connects again, and has all of
// it, once and in order. With a callback endpoint it is the client's own
// connection that is cut. Without MOM_TEST_SLOW it is each number of some.
func TestCutAtEveryByte(t *testing.T) {
	t.Parallel()
	for _, secured := range secure() {
		for _, callee := range []string{"", "127.0.0.1:0"} {
			step := int64(1)
			switch {
			case !slow() && secured:
				step = 307
			case !slow():
				step = 31
			case secured:
				step = 7
			}
			t.Run(fmt.Sprintf("TLS %v, callback %q", secured, callee), func(t *testing.T) {
				cutAtEach(replayBed(t, secured, callee), step)
			})
		}
	}
}

// cutAtEach cuts sessions after each step of bytes.
func cutAtEach(b *bed, step int64) {
	t := b.t
	m := newMiddle(b.addr, nil)
	b.replay("whole", m.addr(), time.Minute)
	m.close()
	for _, w := range []way{up, down} {
		length := m.carried[w].Load()
		cuts := make(chan *cut)
		var made atomic.Int64
		var replaying sync.WaitGroup
		for range 8 { // most of the time they wait to connect again
			replaying.Go(func() {
				for c := range cuts {
					if b.replayCut(c) {
						made.Add(1)
					}
				}
			})
		}
		for n := int64(0); n <= length && !t.Failed(); n += step {
			cuts <- &cut{way: w, after: n}
			cuts <- &cut{way: w, after: n, reset: true}
		}
		close(cuts)
		replaying.Wait()
		t.Logf("%v: a session of %d bytes, %d cuts", w, length, made.Load())
		if least := 2 * length / step * 7 / 10; made.Load() < least && !t.Failed() {
			t.Errorf("%v: %d cuts; want %d at least", w, made.Load(), least)
		}
	}
	for why, n := range b.srv.Stats().Drops {
		if why != momserver.ReasonUnsubscribed && why != momserver.ReasonConnectionLost {
			t.Errorf("%d were dropped for %v: %v", n, why, b.srv.Stats().Dropped)
		}
	}
	eventually(t, "no connection is left", func() bool { return b.srv.Stats().Connections == 0 })
}

// replayCut replays through a cut, and reports whether the session was as long.
func (b *bed) replayCut(c *cut) bool {
	b.t.Helper()
	m := newMiddle(b.addr, c)
	// The period is the longest wait before the client comes again.
	b.replay(fmt.Sprintf("cut %v after %d bytes, reset %v", c.way, c.after, c.reset), m.addr(), 4*time.Millisecond)
	m.close()
	return c.done.Load()
}

// TestSingleBytes has each byte be a segment of its own, both ways.
func TestSingleBytes(t *testing.T) {
	t.Parallel()
	for _, secured := range secure() {
		b := replayBed(t, secured, "")
		m := newMiddle(b.addr, nil)
		m.pieces = true
		b.replay(fmt.Sprintf("TLS %v", secured), m.addr(), time.Minute)
		m.close()
		t.Logf("TLS %v: %d bytes up, %d down", secured, m.carried[up].Load(), m.carried[down].Load())
		if st := b.srv.Stats(); st.Drops[momserver.ReasonUnsubscribed] != 1 || len(st.Drops) != 1 {
			t.Errorf("TLS %v: dropped for %v: %+v", secured, st.Drops, st.Dropped)
		}
	}
}
