//go:build unix

// Package bench_test measures the server with its subscribers in processes of
// their own. Every benchmark that compares the server with something runs both in
// turn, as often as b.Loop says, and reports the median of the ratios: with
// -benchtime 7x it runs seven rounds.
package bench_test

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// measured is what one run comes to.
type measured struct {
	perSecond      float64       // deliveries
	server, client time.Duration // processor time of a delivery; publishing is part of the server's
	p50, p99       time.Duration
	allocs         float64         // for each delivery, at the client
	sending        float64         // the same at the server, publishing included
	publish        []time.Duration // what each Publish took, in rising order, with a rate
}

func (m *measured) cpu() time.Duration { return m.server + m.client }

// load is what is published.
type load struct {
	Interleaved
	clients int
	events  uint64
	rate    int // events a second; 0 for as fast as nothing is lost

	cfg     momserver.Config
	bad     int  // subscribers beside these that nobody wants
	stalled bool // they are all of that kind
	cached  bool // all is published before they come

	first uint64    // events that have been published before
	only  uuid.UUID // the job whose events the clients take; zero for all
}

func (l load) order(kind, addr string) order {
	o := order{Interleaved: l.Interleaved, Kind: kind, Addr: addr, Clients: l.clients, Count: l.events, Latency: l.rate > 0, Late: l.cached, Secured: l.cfg.TLS != nil, Token: l.cfg.Token, First: l.first, Only: l.only}
	if l.cached {
		o.From = wire.FromOldest
	}
	return o
}

// ahead is how far publishing may run ahead of the slowest client: half of the
// cache, so that nothing is lost.
const ahead = 5000

// publish publishes all of it, at its rate or as fast as nothing is lost.
func (l load) publish(b *testing.B, c *crew, publish func(*wire.Event) error) (took []time.Duration) {
	m := maker{Interleaved: l.Interleaved}
	var e wire.Event // out of the loop, because it escapes to the heap
	start := time.Now()
	for seq := uint64(1); seq <= l.events; seq++ {
		switch {
		case l.rate > 0:
			time.Sleep(time.Until(start.Add(time.Duration(seq) * time.Second / time.Duration(l.rate))))
		case !l.cached && seq > c.progress.Load()+ahead:
			// Until half of it is through: a publisher that is held back goes
			// on in bursts, not an event at a time.
			for seq > c.progress.Load()+ahead/2 && !c.failed.Load() {
				<-c.moved
			}
		}
		e = m.event(l.first + seq)
		var began time.Time
		if l.rate > 0 {
			began = time.Now()
		}
		if err := publish(&e); err != nil {
			b.Fatal(err)
		}
		if l.rate > 0 {
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	return took
}

// measure times the load from the first event to the last delivery.
func (l load) measure(c *crew, run func()) measured {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), cpuTime()
	run()
	t := c.wait()
	runtime.ReadMemStats(&after)
	n := float64(t.Deliveries)
	return measured{
		perSecond: n / time.Since(start).Seconds(),
		server:    time.Duration(float64(cpuTime()-cpu) / n),
		client:    time.Duration(float64(t.CPU) / n),
		p50:       t.P50, p99: t.P99, allocs: t.Allocs, sending: float64(after.Mallocs-before.Mallocs) / n,
	}
}

func (l load) mom(b *testing.B) measured {
	srv, addr := l.server(b)
	defer srv.Close()
	publish := func(e *wire.Event) error { return srv.Publish(*e) }
	switch {
	case l.cached:
		l.publish(b, new(crew), publish)
	case l.first > 0:
		before := l
		before.first, before.events, before.cached = 0, l.first, true
		before.publish(b, new(crew), publish)
	}
	if l.bad > 0 {
		defer startFleet(b, order{Kind: "bad", Addr: addr, Clients: l.bad, Stalled: l.stalled}).hangUp()
	}
	c := startFleet(b, l.order("mom", addr))
	var took []time.Duration
	m := l.measure(c, func() {
		if !l.cached {
			took = l.publish(b, c, publish)
		}
	})
	m.publish = took
	return m
}

// server serves on loopback.
func (l load) server(b *testing.B) (srv *momserver.Server, addr string) {
	srv = momserver.New(l.cfg)
	listen := net.ListenConfig{KeepAlive: -1} // as ListenAndServe does
	nl, err := listen.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go srv.Serve(nl)
	return srv, nl.Addr().String()
}

// plain measures the load with a plain server of the kind.
func (l load) plain(kind string) func(b *testing.B) measured {
	return func(b *testing.B) measured {
		s := newPlainServer(b, kind)
		defer s.close()
		accepted := make(chan struct{})
		go func() { s.accept(b, l.clients); close(accepted) }()
		c := startFleet(b, l.order(kind, s.l.Addr().String()))
		if l.cached {
			chunks := s.encodeAll(b, l)
			return l.measure(c, func() {
				<-accepted
				for _, chunk := range chunks {
					if err := s.write(chunk); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		<-accepted
		return l.measure(c, func() {
			l.publish(b, c, func(e *wire.Event) error {
				err := s.publish(e)
				if l.rate > 0 && err == nil {
					err = s.flush()
				}
				return err
			})
			if err := s.flush(); err != nil {
				b.Error(err)
			}
		})
	}
}

// rounds holds the figures of things that were measured in turn, by name. The
// first name is that of the thing that is compared with the others.
type rounds struct {
	names   []string
	figures [][]measured // by name and round
}

// inTurn measures things in turn. Each round begins with another one.
func inTurn(b *testing.B, names []string, run ...func(*testing.B) measured) rounds {
	r := rounds{names, make([][]measured, len(names))}
	for first := 0; b.Loop(); first++ {
		for i := range run {
			i = (i + first) % len(run)
			r.figures[i] = append(r.figures[i], run[i](b))
		}
	}
	return r
}

// besidePlain measures the load with MoM, with the limit of gob, and with the floor.
func (l load) besidePlain(b *testing.B) rounds {
	return inTurn(b, []string{"mom", "gob", "floor"}, l.mom, l.plain("gob"), l.plain("floor"))
}

// median returns the median of a figure over the rounds.
func median(n int, of func(i int) float64) float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = of(i)
	}
	slices.Sort(values)
	return values[n/2]
}

// report reports the median of a figure, and the medians of its ratios to those of
// the other things.
func (r *rounds) report(b *testing.B, name string, of func(*measured) float64) {
	ones := r.figures[0]
	b.ReportMetric(median(len(ones), func(i int) float64 { return of(&ones[i]) }), name)
	for other, others := range r.figures[1:] {
		b.ReportMetric(median(len(ones), func(i int) float64 { return of(&ones[i]) / of(&others[i]) }), name+"/"+r.names[other+1])
	}
}

// row logs one row of README's table: the medians of the figures of everything that
// was measured.
func (r *rounds) row(b *testing.B, name, format string, of func(*measured) float64) {
	text := name + ":"
	for i, figures := range r.figures {
		text += fmt.Sprintf("  %s "+format, r.names[i], median(len(figures), func(i int) float64 { return of(&figures[i]) }))
	}
	b.Log(text)
}

func perSecond(m *measured) float64 { return m.perSecond }
func cpu(m *measured) float64       { return float64(m.cpu()) }
func p50(m *measured) float64       { return float64(m.p50) }
func p99(m *measured) float64       { return float64(m.p99) }

// BenchmarkThroughput is deliveries a second of typed events to handlers, and the
// processor time that each costs.
func BenchmarkThroughput(b *testing.B) {
	for _, in := range []Interleaved{{4, 1}, {1, 1}, {100, 50}, {1000, 50}} {
		for _, l := range []load{{clients: 1, events: 300_000}, {clients: 10, events: 60_000}, {clients: 100, events: 10_000}, {clients: 1000, events: 2000}} {
			b.Run(fmt.Sprintf("packages=%d/runs=%d/subscribers=%d", in.Packages, in.Runs, l.clients), func(b *testing.B) {
				l.Interleaved = in
				r := l.besidePlain(b)
				r.report(b, "deliveries/s", perSecond)
				r.report(b, "cpu-ns", cpu)
				r.report(b, "client-allocs", func(m *measured) float64 { return m.allocs })
				b.ReportMetric(median(len(r.figures[0]), func(i int) float64 { return r.figures[0][i].sending }), "server-allocs")
				r.row(b, "deliveries/s", "%.0f", perSecond)
				r.row(b, "server ns", "%.0f", func(m *measured) float64 { return float64(m.server) })
				r.row(b, "client ns", "%.0f", func(m *measured) float64 { return float64(m.client) })
			})
		}
	}
}

// BenchmarkLatency is the time from Publish to the handler, and the processor
// time of a delivery, at a steady rate.
func BenchmarkLatency(b *testing.B) {
	for _, l := range []load{{clients: 1, events: 5000, rate: 1000}, {clients: 10, events: 5000, rate: 1000}, {clients: 100, events: 2500, rate: 500}} {
		b.Run(fmt.Sprintf("subscribers=%d/rate=%d", l.clients, l.rate), func(b *testing.B) {
			l.Interleaved = Interleaved{Packages: 4}
			r := l.besidePlain(b)
			r.report(b, "p50-ns", p50)
			r.report(b, "p99-ns", p99)
			r.report(b, "cpu-ns", cpu)
			r.row(b, "p50 ns", "%.0f", p50)
			r.row(b, "p99 ns", "%.0f", p99)
			r.row(b, "server ns", "%.0f", func(m *measured) float64 { return float64(m.server) })
			r.row(b, "client ns", "%.0f", func(m *measured) float64 { return float64(m.client) })
		})
	}
}
