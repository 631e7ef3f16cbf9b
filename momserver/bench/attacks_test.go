//go:build unix

package bench_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/certs"
)

// attacks_test.go measures an honest subscriber beside peers that speak the
// protocol and give the server as much work as they can, from a process of their
// own.

// attacks are what one attacker does until its process ends.
var attacks = map[string]func(addr string){
	"filters": func(addr string) { // each subscribes with the longest filter, and stays
		again(func() {
			client := momclient.New(addr, momclient.Options{Name: "filters", From: wire.FromOldest, Filter: longestFilter()})
			defer client.Close()
			if client.Subscribe(context.Background()) == nil {
				time.Sleep(time.Hour)
			}
		})
	},
	"filters again": func(addr string) { // ten times a second
		for range time.Tick(100 * time.Millisecond) {
			client := momclient.New(addr, momclient.Options{Name: "filters again", From: wire.FromOldest, Filter: longestFilter()})
			client.Subscribe(context.Background())
			client.Close()
		}
	},
	"no credit": func(addr string) {
		attacker(addr, func(conn *duplex.Conn) {
			call(conn, protocol.MethodSubscribe, &protocol.SubscribeArgs{Name: "no credit", From: wire.FromOldest}, &protocol.Subscribed{})
			time.Sleep(time.Hour)
		})
	},
	"jobs": func(addr string) {
		attacker(addr, func(conn *duplex.Conn) {
			for call(conn, protocol.MethodJobs, &protocol.JobsArgs{After: uuid.Max}, &protocol.Page{}) == nil {
			}
		})
	},
	"history": func(addr string) {
		attacker(addr, func(conn *duplex.Conn) {
			for call(conn, protocol.MethodHistory, &protocol.HistoryArgs{}, &protocol.Page{}) == nil {
			}
		})
	},
	"calls": func(addr string) {
		attacker(addr, func(conn *duplex.Conn) {
			for call(conn, protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{}) == nil {
			}
		})
	},
	"hang up": func(addr string) { // 250 times a second
		for range time.Tick(4 * time.Millisecond) {
			if nc, err := net.Dial("tcp", addr); err == nil {
				nc.Close()
			}
		}
	},
	"not MoM": func(addr string) { // as fast as the server ends the connections
		for {
			if nc, err := net.Dial("tcp", addr); err == nil {
				io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
				nc.Read(make([]byte, 1))
				nc.Close()
			}
		}
	},
	"handshakes": func(addr string) { // whole ones, and then nothing
		for {
			if nc, err := tls.Dial("tcp", addr, anyServer); err == nil {
				nc.NetConn().Close()
			}
		}
	},
	"silent": func(addr string) {
		again(func() {
			if nc, err := net.Dial("tcp", addr); err == nil {
				nc.Read(make([]byte, 1))
				nc.Close()
			}
		})
	},
}

// attackers is how many there are of each kind.
var attackers = map[string]int{
	"filters": 500, "filters again": 1, "no credit": 300, "jobs": 8, "history": 8, "calls": 8, "hang up": 8, "silent": 500, "not MoM": 16, "handshakes": 16,
}

// anyServer is the TLS configuration of a client that trusts every server.
var anyServer = &tls.Config{InsecureSkipVerify: true}

// attacked returns the configuration of the server that is attacked.
func attacked(kind string) momserver.Config {
	cfg := momserver.Config{CacheEvents: 10_000}
	if kind == "handshakes" {
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{certs.NewAuthority().Issue("server", time.Hour, "127.0.0.1")}}
	}
	return cfg
}

// longestFilter matches nothing.
func longestFilter() (f wire.Filter) {
	for i := range wire.MaxFilterItems {
		f.Jobs = append(f.Jobs, uuid.New())
		f.Names = append(f.Names, fmt.Sprint("no job ", i))
	}
	return f
}

// attacker greets, and attacks on the connection, again whenever that has ended.
func attacker(addr string, attack func(*duplex.Conn)) {
	again(func() {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer nc.Close()
		if _, err := protocol.Greet(nc, "", time.Minute); err != nil {
			return
		}
		conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 4 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
		go conn.Serve(protocol.CallbackService, obliging{})
		attack(conn)
		conn.Close(wire.Errorf(wire.Closed, "again"))
		conn.Wait()
	})
}

func call(conn *duplex.Conn, method string, args, reply any) error {
	return conn.Call(context.Background(), method, args, reply)
}

// obliging answers each call at once.
type obliging struct{}

func (obliging) Notify(*protocol.Batch, *protocol.Ack) error        { return nil }
func (obliging) Goodbye(*protocol.Goodbye, *protocol.Nothing) error { return nil }

// BenchmarkBesideAttack is one subscriber of 200 events a second beside attackers
// of one kind, in turn with the same one alone. It reports how much memory the
// server keeps when they have gone.
func BenchmarkBesideAttack(b *testing.B) {
	kinds := make([]string, 0, len(attacks))
	for kind := range attacks {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			alone := load{clients: 1, events: 600, rate: 200, cfg: attacked(kind)}
			beside := alone
			beside.attack, beside.bad = kind, attackers[kind]
			var kept []float64
			ones, others := inTurn(b, func(b *testing.B) measured {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				m := beside.mom(b)
				runtime.GC()
				runtime.ReadMemStats(&after)
				kept = append(kept, (float64(after.HeapInuse)-float64(before.HeapInuse))/(1<<20))
				return m
			}, alone.mom)
			of := func(name string, figure func(*measured) float64) {
				reportBeside(b, name, "alone", ones, others, figure)
			}
			of("p50-ns", func(m *measured) float64 { return float64(m.p50) })
			of("p99-ns", func(m *measured) float64 { return float64(m.p99) })
			slices.Sort(kept)
			b.ReportMetric(kept[len(kept)/2], "kept-MB")
		})
	}
}

// BenchmarkNewcomerBesideAttack is how long a client takes to subscribe behind
// the address of strangers who do not greet: the median, and the longest of 50.
func BenchmarkNewcomerBesideAttack(b *testing.B) {
	for _, kind := range []string{"handshakes", "hang up", "not MoM", "silent"} {
		b.Run(kind, func(b *testing.B) {
			l := load{cfg: attacked(kind)}
			var took []time.Duration
			for b.Loop() {
				srv, addr := l.server(b)
				strangers := startFleet(b, order{Kind: "bad", Addr: addr, Clients: attackers[kind], Attack: kind})
				for range 50 {
					opts := momclient.Options{}
					if l.cfg.TLS != nil {
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
