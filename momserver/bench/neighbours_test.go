//go:build unix

package bench_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"mom.internal/wire"
)

// BenchmarkCatchUp is 100 subscribers that each ask for all of a full cache at
// once, connecting included.
func BenchmarkCatchUp(b *testing.B) {
	r := load{clients: 100, events: 10_000, cached: true}.besidePlain(b)
	r.report(b, "deliveries/s", perSecond)
	r.report(b, "cpu-ns", cpu)
}

// BenchmarkNeighbours is 90 subscribers beside 10 that are stalled, dead, slow
// or coming back over and over, in turn with the same 90 alone.
func BenchmarkNeighbours(b *testing.B) {
	for _, test := range []struct {
		name string
		load load
	}{
		{"throughput", load{clients: 90, events: 10_000}},
		{"latency", load{clients: 90, events: 1500, rate: 200}},
	} {
		b.Run(test.name, func(b *testing.B) {
			beside := test.load
			beside.bad = 10
			r := inTurn(b, []string{"beside", "alone"}, beside.mom, test.load.mom)
			if beside.rate == 0 {
				r.report(b, "deliveries/s", perSecond)
			} else {
				r.report(b, "p50-ns", p50)
				r.report(b, "p99-ns", p99)
			}
		})
	}
}

// BenchmarkManySubscribers is 10,000 on one server, in turn with 100; each gets
// 1,000 events, in order.
func BenchmarkManySubscribers(b *testing.B) {
	many := load{clients: 10_000, events: 1000, cfg: manySubscribers}
	few := load{clients: 100, events: 20_000}
	r := inTurn(b, []string{"10,000", "100"}, many.mom, few.mom)
	r.report(b, "deliveries/s", perSecond)
	r.report(b, "cpu-ns", cpu)
	bytes, goroutines := many.footprint(b)
	b.ReportMetric(bytes, "bytes/subscriber")
	b.ReportMetric(goroutines, "goroutines/subscriber")
}

// footprint returns what each subscriber costs the server when all are there
// and have got all.
func (l load) footprint(b *testing.B) (bytes, goroutines float64) {
	srv, addr := l.server(b)
	defer srv.Close()
	used := func() (bytes, goroutines float64) {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // a sync.Pool lets go of what was idle in the first
		runtime.ReadMemStats(&m)
		return float64(m.HeapInuse + m.StackInuse), float64(runtime.NumGoroutine())
	}
	bytes0, goroutines0 := used()
	c := startFleet(b, l.order("mom", addr))
	l.measure(c, func() {
		l.publish(b, c, func(e *wire.Event) error { return srv.Publish(*e) })
		for len(c.done) == 0 && !c.failed.Load() {
			time.Sleep(time.Millisecond)
		}
		bytes, goroutines = used()
	})
	n := float64(l.clients)
	return (bytes - bytes0) / n, (goroutines - goroutines0) / n
}

// BenchmarkPublishBeside measures Publish beside 100 subscribers that are stalled, 100
// that catch up with all of the cache, and 10,000 idle ones whose filters take nothing.
// In turn with these, it measures Publish without subscribers, and beside a process that
// only computes, because the subscribers that catch up take all processors of the
// machine, whatever the server does.
func BenchmarkPublishBeside(b *testing.B) {
	for name, beside := range map[string]order{
		"stalled":     {Kind: "bad", Clients: 100, Stalled: true},
		"catching-up": {Kind: "mom", Clients: 100, Count: filled, Late: true, From: wire.FromOldest},
		"idle":        {Kind: "bad", Clients: 10_000, Attack: "idle"},
	} {
		b.Run(name, func(b *testing.B) {
			r := inTurn(b, []string{name, "nobody", "spin"},
				func(b *testing.B) measured { return publishing(b, beside) },
				func(b *testing.B) measured { return publishing(b, order{}) },
				func(b *testing.B) measured {
					return publishing(b, order{Kind: "bad", Attack: "spin", Processors: float64(runtime.NumCPU())})
				})
			for figure, perMille := range map[string]int{"p50-ns": 500, "p99-ns": 990, "p99.9-ns": 999} {
				r.report(b, figure, func(m *measured) float64 { return float64(m.publish[len(m.publish)*perMille/1000]) })
			}
		})
	}
}

// filled is how many events the cache holds before Publish is timed.
const filled = 10_000

// publishing fills the cache, starts the subscribers that beside describes, if any, and
// times Publish, 2,000 times a second, for two seconds or until they have caught up.
func publishing(b *testing.B, beside order) measured {
	cfg := roomy
	cfg.CacheEvents = 3 * filled // so that nothing leaves before they have caught up
	srv, addr := load{cfg: cfg}.server(b)
	defer srv.Close()
	publish := func(e *wire.Event) error { return srv.Publish(*e) }
	load{events: filled, cached: true}.publish(b, new(crew), publish)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if beside.Addr = addr; beside.Kind != "" {
		c := startFleet(b, beside)
		if beside.Kind == "bad" {
			defer c.hangUp()
			for srv.Stats().Subscribers < beside.Clients*9/10 { // the stalled ones are dropped, and come back
				time.Sleep(100 * time.Millisecond)
			}
		} else {
			go func() { c.wait(); cancel() }()
		}
	}
	if beside.Kind != "mom" {
		time.AfterFunc(2*time.Second, cancel)
	}
	var took []time.Duration
	m := new(maker)
	for seq := uint64(filled + 1); ctx.Err() == nil; seq++ {
		e := m.event(seq)
		began := time.Now()
		if err := publish(&e); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		time.Sleep(500 * time.Microsecond)
	}
	slices.Sort(took)
	return measured{publish: took}
}
