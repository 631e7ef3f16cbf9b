//go:build unix

// Package bench_test measures the server with its subscribers in processes of
// their own. Every benchmark that compares the server with the baseline runs both
// in turn, as often as b.Loop says, and reports the median of the ratios: with
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

// sample is the event of the benchmarks: a package's Transferring event, with
// all its parts filled as the mirroring server fills them.
var sample = wire.Event{
	JobID: uuid.MustParse("9e91c73e-222f-59ae-9743-a04f620a3a25"),
	RunID: uuid.MustParse("3bb33a71-0d88-400f-9637-224af7d32cc3"),
	Data: wire.TransferData{
		Initialize: &wire.InitializeData{
			Name: "www.example.org to staging", SourcePath: "/srv/www/www.example.org", DestinationPath: "/mnt/mirror/staging",
			DestinationRoot: "/mnt/mirror", LastExecution: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC),
			FilesInPackages: 11478, PagesInPackages: 2210, Packages: 321, Bytes: 137304576,
		},
		Header: &wire.PackageHeader{Number: 17, FileSize: 8388608, TargetFilePath: "/mnt/mirror/staging/.momspool-5f3a90c1/package-0017.tar"},
		Body:   &wire.PackageBody{Pages: 11, Files: 40},
		Status: wire.Status{State: wire.Transferring},
		Progress: wire.Progress{
			PackagesDone: 16, PackagesTotal: 321, FilesDone: 640, FilesTotal: 11478, BytesTotal: 137304576, Warnings: 3,
		},
	},
}

// items are what moves, in turn.
var items = func() (all [64]string) {
	for i := range all {
		all[i] = fmt.Sprintf("news/2026/%02d/the-harbour-in-winter-%d.html", i%12+1, i)
	}
	return all
}()

// maker makes events that differ as a transfer's do.
type maker struct {
	header wire.PackageHeader
	body   wire.PackageBody
}

func (m *maker) event(seq uint64) wire.Event {
	e := sample
	m.header, m.body = *e.Data.Header, *e.Data.Body
	m.header.SizeOfSentData, m.header.SizeOfReceivedData = int64(seq)<<10, int64(seq)<<10
	m.body.Item = items[seq%uint64(len(items))]
	e.Data.Header, e.Data.Body = &m.header, &m.body
	e.Data.Progress.BytesDone = int64(seq) << 10
	e.Seq = seq
	e.Data.Status.SentTime = time.Now().UTC()
	e.Data.Status.ReceivedTime = e.Data.Status.SentTime
	return e
}

// asPublished reports whether an event has come as maker made it.
func asPublished(e *wire.Event) bool {
	i, h, b, p := e.Data.Initialize, e.Data.Header, e.Data.Body, &e.Data.Progress
	return i != nil && h != nil && b != nil && e.RunID == sample.RunID && e.Data.Status.State == wire.Transferring &&
		i.Name == sample.Data.Initialize.Name && i.Bytes == sample.Data.Initialize.Bytes &&
		h.SizeOfReceivedData == int64(e.Seq)<<10 && h.TargetFilePath == sample.Data.Header.TargetFilePath &&
		b.Item == items[e.Seq%uint64(len(items))] && p.BytesDone == int64(e.Seq)<<10 && p.PackagesTotal == 321
}

// figures are what one run comes to.
type measured struct {
	perSecond float64       // deliveries
	cpu       time.Duration // for each delivery, both sides together
	p50, p99  time.Duration
	allocs    float64         // for each delivery, at the client
	sending   float64         // the same at the server, publishing included
	publish   []time.Duration // what each Publish took, in rising order, with a rate
}

// load is what is published.
type load struct {
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
	o := order{Kind: kind, Addr: addr, Clients: l.clients, Count: l.events, Latency: l.rate > 0, Late: l.cached, Secured: l.cfg.TLS != nil, Token: l.cfg.Token, First: l.first, Only: l.only}
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
	var m maker
	start := time.Now()
	for seq := uint64(1); seq <= l.events; seq++ {
		switch {
		case l.rate > 0:
			time.Sleep(time.Until(start.Add(time.Duration(seq) * time.Second / time.Duration(l.rate))))
		case !l.cached && seq > c.progress.Load()+ahead:
			// Until half of it is through: a publisher that is held back goes
			// on in bursts, not an event at a time.
			for seq > c.progress.Load()+ahead/2 && !c.failed.Load() {
				time.Sleep(50 * time.Microsecond)
			}
		}
		e := m.event(l.first + seq)
		began := time.Now()
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
		cpu:       time.Duration(float64(cpuTime()-cpu+t.CPU) / n),
		p50:       t.P50, p99: t.P99, allocs: t.Allocs, sending: float64(after.Mallocs-before.Mallocs) / n,
	}
}

func (l load) mom(b *testing.B) measured {
	srv, addr := l.server(b)
	defer srv.Close()
	publish := func(e *wire.Event) error { return srv.Publish(*e) }
	if l.cached {
		l.publish(b, new(crew), publish)
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

func (l load) baseline(b *testing.B) measured {
	s := newBaselineServer(b)
	defer s.close()
	accepted := make(chan struct{})
	go func() { s.accept(b, l.clients); close(accepted) }()
	c := startFleet(b, l.order("baseline", s.l.Addr().String()))
	if l.cached {
		chunks := s.encodeAll(b, l)
		return l.measure(c, func() { <-accepted; s.writeAll(b, chunks) })
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

// rounds runs the load and the baseline in turn and returns their figures.
func (l load) rounds(b *testing.B) (moms, baselines []measured) { return inTurn(b, l.mom, l.baseline) }

// inTurn runs two things in turn, the one first and then the other.
func inTurn(b *testing.B, one, other func(*testing.B) measured) (ones, others []measured) {
	for b.Loop() {
		if len(ones)%2 == 0 {
			ones = append(ones, one(b))
			others = append(others, other(b))
		} else {
			others = append(others, other(b))
			ones = append(ones, one(b))
		}
	}
	return ones, others
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

// report reports the median of a figure, and of its ratio to the baseline's.
func report(b *testing.B, name string, moms, baselines []measured, of func(*measured) float64) {
	reportBeside(b, name, "baseline", moms, baselines, of)
}

// reportBeside is report for another thing to compare with.
func reportBeside(b *testing.B, name, other string, ones, others []measured, of func(*measured) float64) {
	b.ReportMetric(median(len(ones), func(i int) float64 { return of(&ones[i]) }), name)
	b.ReportMetric(median(len(ones), func(i int) float64 { return of(&ones[i]) / of(&others[i]) }), name+"/"+other)
}

// BenchmarkThroughput is deliveries a second of typed events to handlers, and
// the processor time that each costs.
func BenchmarkThroughput(b *testing.B) {
	for _, l := range []load{{clients: 1, events: 300_000}, {clients: 10, events: 50_000}, {clients: 100, events: 6000}, {clients: 1000, events: 1000}} {
		b.Run(fmt.Sprintf("subscribers=%d", l.clients), func(b *testing.B) {
			moms, baselines := l.rounds(b)
			report(b, "deliveries/s", moms, baselines, func(m *measured) float64 { return m.perSecond })
			report(b, "cpu-ns", moms, baselines, func(m *measured) float64 { return float64(m.cpu) })
			report(b, "client-allocs", moms, baselines, func(m *measured) float64 { return m.allocs })
			b.ReportMetric(median(len(moms), func(i int) float64 { return moms[i].sending }), "server-allocs")
		})
	}
}

// BenchmarkLatency is the time from Publish to the handler, and the processor
// time of a delivery, at 1,000 events a second and 10 subscribers.
func BenchmarkLatency(b *testing.B) {
	moms, baselines := load{clients: 10, events: 5000, rate: 1000}.rounds(b)
	report(b, "p50-ns", moms, baselines, func(m *measured) float64 { return float64(m.p50) })
	report(b, "p99-ns", moms, baselines, func(m *measured) float64 { return float64(m.p99) })
	report(b, "cpu-ns", moms, baselines, func(m *measured) float64 { return float64(m.cpu) })
}
