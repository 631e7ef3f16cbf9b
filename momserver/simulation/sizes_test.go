package simulation_test

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// sizes_test.go looks into a server at the sizes of its maps, which no exported
// method returns: an entry that is never removed is too small to be seen in the
// memory of one simulation.

// sizes are the sizes of the maps and lists whose entries come and go.
type sizes struct {
	conns, addrs int // connections, and the addresses that they come from
	subs         int // subscribers
	jobs         int // runs that were started with StartJob and have not ended
	runs         int // runs of which the history keeps anything
	ends         int // places of runs at the two ends of the cache
}

func sizesOf(srv *momserver.Server) (n sizes) {
	s := reflect.ValueOf(srv).Elem()
	locked(s, func() {
		n.conns, n.addrs = field(s, "conns").Len(), field(s, "perAddr").Len()
		n.subs, n.jobs = field(s, "subs").Len(), field(s, "jobs").Len()
	})
	hist := field(s, "hist").Elem()
	locked(hist, func() {
		runs := field(hist, "runs")
		n.runs = field(runs, "byID").Len()
		n.ends = int(field(field(runs, "head"), "n").Int() + field(field(runs, "tail"), "n").Int())
	})
	return n
}

// field returns a field of a struct, an unexported one too.
func field(of reflect.Value, name string) reflect.Value {
	f := of.FieldByName(name)
	if !f.IsValid() {
		panic(fmt.Sprintf("%v has no field %s any more: fit sizesOf to it", of.Type(), name))
	}
	return f
}

// locked calls read while it holds the struct's mutex mu.
func locked(of reflect.Value, read func()) {
	mu := field(of, "mu")
	if mu.Type() != reflect.TypeFor[sync.Mutex]() {
		panic(fmt.Sprintf("mu of %v is no sync.Mutex any more: fit sizesOf to it", of.Type()))
	}
	m := (*sync.Mutex)(mu.Addr().UnsafePointer())
	m.Lock()
	defer m.Unlock()
	read()
}

// checkSizes checks that a server keeps no entry of a client, run or job that
// is gone.
func (w *simulation) checkSizes(srv *momserver.Server) {
	n := sizesOf(srv)
	report := w.report
	if n.addrs > n.conns {
		w.violated(invariant.Bounded, "%d addresses are kept for %d connections", n.addrs, n.conns)
	}
	if n.runs > n.ends {
		w.violated(invariant.Bounded, "%d runs are kept for %d places in the cache", n.runs, n.ends)
	}
	report.Bound("runs that were started with StartJob are open", n.jobs, 1) // there is one publisher of them
}

// checkGone checks that nothing is left of a server's peers and jobs after
// Close.
func (w *simulation) checkGone(srv *momserver.Server) {
	w.checkSizes(srv)
	if n := sizesOf(srv); n.conns+n.addrs+n.subs+n.jobs > 0 {
		w.violated(invariant.Bounded, "Close has left %+v", n)
	}
}

// TestSizes checks the sizes of a server that has one entry of each kind.
func TestSizes(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	if n := sizesOf(srv); n != (sizes{}) {
		t.Fatalf("a new server has %+v", n)
	}
	if _, err := srv.StartJob(uuid.New(), wire.InitializeData{}); err != nil {
		t.Fatal(err)
	}
	if n, want := sizesOf(srv), (sizes{jobs: 1, runs: 1, ends: 1}); n != want {
		t.Errorf("with one run it has %+v; want %+v", n, want)
	}
}
