//go:build unix

package bench_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// BenchmarkCatchUp is 100 subscribers that each ask for all of a full cache at
// once, connecting included.
func BenchmarkCatchUp(b *testing.B) {
	moms, baselines := load{clients: 100, events: 10_000, cached: true}.rounds(b)
	report(b, "deliveries/s", moms, baselines, func(m *measured) float64 { return m.perSecond })
	report(b, "cpu-ns", moms, baselines, func(m *measured) float64 { return float64(m.cpu) })
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
			ones, others := inTurn(b, beside.mom, test.load.mom)
			of := func(name string, figure func(*measured) float64) {
				reportBeside(b, name, "alone", ones, others, figure)
			}
			if beside.rate == 0 {
				of("deliveries/s", func(m *measured) float64 { return m.perSecond })
			} else {
				of("p50-ns", func(m *measured) float64 { return float64(m.p50) })
				of("p99-ns", func(m *measured) float64 { return float64(m.p99) })
			}
		})
	}
}

// BenchmarkPublishBeside is what Publish takes with 100 subscribers, of which
// 10 are stalled, in turn with none that is.
func BenchmarkPublishBeside(b *testing.B) {
	stalled := load{clients: 90, events: 5000, rate: 500, bad: 10, stalled: true}
	ones, others := inTurn(b, stalled.mom, load{clients: 100, events: 5000, rate: 500}.mom)
	of := func(name string, perMille int) {
		reportBeside(b, name, "none-stalled", ones, others, func(m *measured) float64 {
			return float64(m.publish[len(m.publish)*perMille/1000])
		})
	}
	of("p50-ns", 500)
	of("p99.9-ns", 999)
}

// BenchmarkManySubscribers is 10,000 on one server, in turn with 100; each gets
// 1,000 events, in order.
func BenchmarkManySubscribers(b *testing.B) {
	many := load{clients: 10_000, events: 1000, cfg: momserver.Config{
		GreetingsPerSecond: 100_000, MaxConnsPerAddr: 12_000,
		// All clients share a process, and their handlers its processors: some
		// come to their turn only after seconds.
		Heartbeat: time.Minute, CallTimeout: time.Minute,
	}}
	few := load{clients: 100, events: 20_000}
	ones, others := inTurn(b, many.mom, few.mom)
	reportBeside(b, "deliveries/s", "100", ones, others, func(m *measured) float64 { return m.perSecond })
	reportBeside(b, "cpu-ns", "100", ones, others, func(m *measured) float64 { return float64(m.cpu) })
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

// BenchmarkPublishMeanwhile is what Publish takes while 100 subscribers catch
// up with all of the cache, in turn with nobody there.
func BenchmarkPublishMeanwhile(b *testing.B) {
	l := load{clients: 100, events: 10_000, cached: true, cfg: momserver.Config{CacheEvents: 30_000}}
	ones, others := inTurn(b, func(b *testing.B) measured { return l.publishing(b, true) }, func(b *testing.B) measured { return l.publishing(b, false) })
	for name, perMille := range map[string]int{"p50-ns": 500, "p99-ns": 990} {
		reportBeside(b, name, "nobody", ones, others, func(m *measured) float64 {
			return float64(m.publish[len(m.publish)*perMille/1000])
		})
	}
}

// publishing fills the cache, and then times Publish, 2,000 times a second,
// until the subscribers have caught up; without any for a second.
func (l load) publishing(b *testing.B, subscribed bool) measured {
	srv, addr := l.server(b)
	defer srv.Close()
	publish := func(e *wire.Event) error { return srv.Publish(*e) }
	l.publish(b, new(crew), publish)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if subscribed {
		c := startFleet(b, l.order("mom", addr))
		ctx, cancel = context.WithCancel(context.Background())
		go func() { c.wait(); cancel() }()
	}
	var took []time.Duration
	m := new(maker)
	for seq := l.events + 1; ctx.Err() == nil; seq++ {
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
