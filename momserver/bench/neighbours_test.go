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

// BenchmarkPublishBeside is what Publish takes with 100 subscribers, of which
// 10 are stalled, in turn with none that is.
func BenchmarkPublishBeside(b *testing.B) {
	stalled := load{clients: 90, events: 5000, rate: 500, bad: 10, stalled: true}
	r := inTurn(b, []string{"stalled", "none-stalled"}, stalled.mom, load{clients: 100, events: 5000, rate: 500}.mom)
	r.report(b, "p50-ns", publishTook(500))
	r.report(b, "p99.9-ns", publishTook(999))
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

// BenchmarkPublishMeanwhile is what Publish takes while 100 subscribers catch
// up with all of the cache, in turn with nobody there.
func BenchmarkPublishMeanwhile(b *testing.B) {
	l := load{clients: 100, events: 10_000, cached: true, cfg: momserver.Config{CacheEvents: 30_000}}
	r := inTurn(b, []string{"meanwhile", "nobody"}, func(b *testing.B) measured { return l.publishing(b, true) }, func(b *testing.B) measured { return l.publishing(b, false) })
	r.report(b, "p50-ns", publishTook(500))
	r.report(b, "p99-ns", publishTook(990))
}

// publishTook returns what Publish took at most in so many of 1,000 calls.
func publishTook(perMille int) func(*measured) float64 {
	return func(m *measured) float64 { return float64(m.publish[len(m.publish)*perMille/1000]) }
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
