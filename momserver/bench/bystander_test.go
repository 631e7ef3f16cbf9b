//go:build unix

package bench_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// bystander_test.go measures an honest subscriber, and an honest newcomer, beside
// the attackers of attacks_test.go.

// bystander is how an honest subscriber fares in one run.
type bystander struct {
	measured
	processors float64 // processors that the attackers took
	serving    float64 // processors that the server took
	kept       float64 // MB that the server holds after the attackers have left
}

// BenchmarkBesideAttack measures one subscriber of 200 events a second in three
// runs: alone, beside attackers of one kind, and beside a control that leaves the
// server alone. The control is a process that takes as much processor time as the
// attackers took. If the attackers only connect and hang up, the control is these
// attackers at a listener that only closes connections, and if they all act at the
// same moment, these attackers at a listener that only reads. Attackers on the same
// machine take processor time, and cost the kernel time for their connections,
// whatever the server does. So the server is responsible for the ratio of the
// second run to the third, "/control". The ratio is fair only if nothing else runs
// on the machine, and if the attackers spread their work evenly over time.
//
// kept-MB is how much more memory the server holds after the attackers have left
// than in the run alone. server-processors is how many processors the server took
// during the attack. Other programs do not change that number.
func BenchmarkBesideAttack(b *testing.B) {
	for _, kind := range slices.Sorted(maps.Keys(attacks)) {
		b.Run(kind, func(b *testing.B) {
			a := attacks[kind]
			r := rounds{[]string{"beside", "alone", "control"}, make([][]measured, 3)}
			var kept, serving []float64
			for b.Loop() {
				one := a.bystander(b, order{})
				two := a.bystander(b, order{Attack: kind})
				control := order{Attack: "spin", Processors: two.processors}
				if a.hangsUp {
					control = order{Attack: kind, Addr: closing(b)}
				} else if a.bursts {
					control = order{Attack: kind, Addr: reading(b)}
				}
				three := a.bystander(b, control)
				for i, m := range []*bystander{&two, &one, &three} {
					r.figures[i] = append(r.figures[i], m.measured)
				}
				kept, serving = append(kept, two.kept-one.kept), append(serving, two.serving-one.serving)
				b.Logf("p99 alone %v, beside %.1f processors that attack %v, beside the control %v", one.p99, two.processors, two.p99, three.p99)
			}
			r.report(b, "p50-ns", p50)
			r.report(b, "p99-ns", p99)
			b.ReportMetric(median(len(kept), func(i int) float64 { return kept[i] }), "kept-MB")
			b.ReportMetric(median(len(serving), func(i int) float64 { return serving[i] }), "server-processors")
		})
	}
}

// reading returns the address of a listener that greets its clients, and reads what
// they send for a tenth of a second.
func reading(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
			go func() {
				defer nc.Close()
				protocol.ReadHello(nc)
				protocol.Accept(nc, protocol.Welcome{Heartbeat: time.Minute, MaxMessage: 4 << 20})
				nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				io.Copy(io.Discard, nc)
			}()
		}
	}()
	return l.Addr().String()
}

// closing returns the address of a listener that closes what it accepts.
func closing(b *testing.B) string {
	listen := net.ListenConfig{KeepAlive: -1}
	l, err := listen.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
			nc.Close()
		}
	}()
	return l.Addr().String()
}

// bystander runs one subscriber beside the attackers of an order, if it has any.
// They attack the server, unless the order has another address.
func (a *attack) bystander(b *testing.B, attackers order) (m bystander) {
	l := load{clients: 1, events: 600, rate: 200, cfg: a.config()}
	srv, addr := l.server(b)
	defer srv.Close()
	l.first = a.prefill(b, srv)
	if a.runs > 0 {
		l.only = sample.JobID
	}
	before := inUse()
	var bad *crew
	start := time.Now()
	if attackers.Attack != "" {
		attackers.Kind, attackers.Clients, attackers.Addr = "bad", a.peers, cmp.Or(attackers.Addr, addr)
		bad = startFleet(b, attackers)
		for a.stay && attackers.Attack != "spin" && srv.Stats().Subscribers < a.peers {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(500 * time.Millisecond)
	}
	c := startFleet(b, l.order("mom", addr))
	began, cpu := time.Now(), cpuTime()
	m.measured = l.measure(c, func() { l.publish(b, c, func(e *wire.Event) error { return srv.Publish(*e) }) })
	m.serving = (cpuTime() - cpu).Seconds() / time.Since(began).Seconds()
	if bad != nil {
		bad.hangUp()
		used := bad.cmd.ProcessState
		m.processors = (used.UserTime() + used.SystemTime()).Seconds() / time.Since(start).Seconds()
	}
	for deadline := time.Now().Add(10 * time.Second); srv.Stats().Connections > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	m.kept = (inUse() - before) / (1 << 20)
	return m
}

// inUse returns the bytes of memory in use.
func inUse() float64 {
	runtime.GC()
	runtime.GC() // a sync.Pool frees what has been idle since the first collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// prefill publishes the runs of the jobs that the server knows, and returns the
// number of their events.
func (a *attack) prefill(b *testing.B, srv *momserver.Server) (n uint64) {
	for i := range a.jobs {
		e := wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{Initialize: &wire.InitializeData{Name: fmt.Sprint("job ", i)}}}
		states := []wire.State{wire.JobInitialized, wire.JobCompleted}
		if i < a.runs {
			states = states[:1]
		}
		for _, state := range states {
			e.Data.Status = wire.Status{State: state}
			if err := srv.Publish(e); err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	return n
}

// BenchmarkNewcomerBesideAttack measures how long a client takes to subscribe from
// the address of attackers that never greet. It reports the median and the longest
// of 50 times.
func BenchmarkNewcomerBesideAttack(b *testing.B) {
	for _, kind := range []string{"half a handshake", "handshakes", "hang up", "hang up at full speed", "not MoM", "silent", "wrong tokens"} {
		b.Run(kind, func(b *testing.B) {
			a := attacks[kind]
			l := load{cfg: a.config()}
			var took []time.Duration
			for b.Loop() {
				srv, addr := l.server(b)
				strangers := startFleet(b, order{Kind: "bad", Addr: addr, Clients: a.peers, Attack: kind})
				for range 50 {
					opts := momclient.Options{Token: a.cfg.Token}
					if a.tls {
						opts.TLS = anyServer
					}
					client, start := momclient.New(addr, opts), time.Now()
					if err := client.Subscribe(context.Background()); err != nil {
						b.Error(err)
					}
					took = append(took, time.Since(start))
					client.Close()
					time.Sleep(20 * time.Millisecond)
				}
				strangers.hangUp()
				srv.Close()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
			b.ReportMetric(float64(took[len(took)-1]), "max-ns")
		})
	}
}
