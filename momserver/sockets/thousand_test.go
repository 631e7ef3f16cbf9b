//go:build unix

package sockets_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// thousand is how many clients there are, where descriptors reach for both
// ends of so many.
func thousand(t *testing.T) int {
	n := 1000
	if !slow() {
		n = 300
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < uint64(2*n+100) {
		n = int(limit.Cur-100) / 2
		t.Logf("%d descriptors reach for %d clients", limit.Cur, n)
	}
	return n
}

// fleetClient is one of many clients. It is no harness.Client, because it keeps
// none of the events that it gets.
type fleetClient struct {
	*momclient.Client
	stream *invariant.Stream
}

func (srv *testServer) client(resumed *atomic.Int64) *fleetClient {
	f := &fleetClient{stream: invariant.NewStream(srv.Ledger, wire.Filter{}, func(v invariant.Violation) { srv.T.Error(v) })}
	f.Client = momclient.New(srv.Addr, momclient.Options{
		AutoReconnect: true,
		OnPanic:       func(p *momclient.PanicError) { panic(p) },
	})
	f.OnEvent(f.stream.Event)
	f.OnConnection(func(s momclient.ConnectionStatus) {
		switch {
		case s.Kind == momclient.Connected:
			f.stream.Connected(s.Epoch)
		case s.Kind == momclient.Resumed && s.NewEpoch:
			f.stream.Connected(s.Epoch)
			resumed.Add(1)
		case s.Final && !errors.Is(s.Err, wire.Closed):
			srv.T.Errorf("refused for good: %v", s.Err)
		}
	})
	return f
}

// heap returns the bytes that are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what a sync.Pool has let go of
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// manyGoroutines has n goroutines be there at once. The runtime keeps some
// hundred bytes of each for the next, for ever, which are nobody's leak.
func manyGoroutines(n int) {
	var there sync.WaitGroup
	end := make(chan struct{})
	for range n {
		there.Go(func() { <-end })
	}
	close(end)
	there.Wait()
}

// left is how much more of the heap a server may hold when its clients have
// left: its maps do not shrink.
const left = 1 << 20

// TestThousand restarts a server under a thousand clients, that all come back
// at once: each is told all that either server published, and afterwards the
// server is as small as before. Without MOM_TEST_SLOW they are fewer.
func TestThousand(t *testing.T) {
	srv := serve(t, momserver.Config{})
	srv.PublishRuns(20, 4)
	n := thousand(t)
	manyGoroutines(16 * n)
	heapBefore, goroutinesBefore := heap(), runtime.NumGoroutine()
	srv.fleet(n)
	eventually(t, "all have left", func() bool { st := srv.Stats(); return st.Connections == 0 && st.Subscribers == 0 })
	if drops := srv.Stats().Drops; drops[momserver.ReasonUnsubscribed] != uint64(n) || len(drops) != 1 {
		t.Errorf("dropped for %v", drops)
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutinesBefore })
	heapAfter := heap()
	t.Logf("the heap: %d bytes before, %d after", heapBefore, heapAfter)
	if heapAfter > heapBefore+left {
		t.Errorf("the heap has grown from %d to %d bytes", heapBefore, heapAfter)
	}
}

// fleet has n clients live through a restart.
func (srv *testServer) fleet(n int) {
	t := srv.T
	t.Helper()
	var resumed atomic.Int64
	clients := make([]*fleetClient, n)
	var subscribing sync.WaitGroup
	for i := range clients {
		f := srv.client(&resumed)
		defer f.Close()
		clients[i] = f
		subscribing.Go(func() {
			if err := f.Subscribe(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	subscribing.Wait()
	srv.PublishRuns(20, 4)
	all := func(what string) {
		t.Helper()
		end := srv.Ledger.Latest()
		eventually(t, what, func() bool {
			return !slices.ContainsFunc(clients, func(f *fleetClient) bool { return f.Cursor() != end })
		})
	}
	all("told")

	srv.restart()
	start := time.Now()
	eventually(t, "back", func() bool { return resumed.Load() == int64(n) && len(srv.Subscribers()) == n })
	t.Logf("%d clients were back after %v, of which each waited 100 to 200 ms", n, time.Since(start).Round(time.Millisecond))
	srv.PublishRuns(20, 4)
	all("told by the second server")
	if st := srv.Stats(); len(st.Drops) > 0 || st.Missed > 0 || st.Subscribers != n {
		t.Errorf("%d subscribers, %d missed, dropped for %v", st.Subscribers, st.Missed, st.Drops)
	}
	for _, f := range clients {
		f.stream.Converged(srv.Ledger.Latest(), f.Cursor())
	}
}
