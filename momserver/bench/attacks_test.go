//go:build unix

package bench_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	wireattack "mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/certs"
)

// attacks_test.go has peers that speak the protocol and give the server as much
// work as they can. They run in a process of their own.

// attack is what a number of peers do until their process ends.
type attack struct {
	peers int
	do    func(addr string)
	cfg   momserver.Config // of the server that is attacked
	jobs  int              // that the server knows
	runs  int              // how many of these jobs have an unfinished run
	stay  bool             // all get in, and stay
	tls   bool

	hangsUp bool // the peers only connect and hang up
	bursts  bool // the peers all send at the same moment, and then wait
}

// roomy has places for 10,000 subscribers of one address, and more.
var roomy = momserver.Config{MaxConnsPerAddr: 12_000, MaxSubscribers: 12_000, GreetingsPerSecond: 100_000}

// token is the token of a valid greeting, if the server has one.
const token = "the right token"

var attacks = map[string]attack{
	// Some of these peers get in, and the others try again and again.
	"filters": {peers: 500, do: func(addr string) {
		args := protocol.SubscribeArgs{From: wire.FromOldest, Filter: longestFilter()}
		again(func() { stay(addr, &args) })
	}},
	"filters again": {peers: 1, do: func(addr string) { // ten times a second
		for range time.Tick(100 * time.Millisecond) {
			client := momclient.New(addr, momclient.Options{From: wire.FromOldest, Filter: longestFilter()})
			client.Subscribe(context.Background())
			client.Close()
		}
	}},
	"filters at once": {bursts: true, peers: 60, do: func(addr string) { // all at the same moment, twice a second
		call := wireattack.Frame(1, wireattack.Call(protocol.MethodSubscribe, &protocol.SubscribeArgs{Filter: longestFilter()}))
		for {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				continue
			}
			protocol.Greet(nc, token, time.Minute)
			time.Sleep(time.Until(time.Now().Truncate(500 * time.Millisecond).Add(500 * time.Millisecond)))
			nc.Write(call)
			nc.Read(make([]byte, 1))
			nc.Close()
		}
	}},
	"idle": {stay: true, peers: 10_000, cfg: roomy, do: func(addr string) {
		stay(addr, &protocol.SubscribeArgs{Filter: wire.Filter{Names: []string{uuid.NewString()}}})
	}},
	"idle, with the job": {stay: true, peers: 10_000, cfg: roomy, do: func(addr string) {
		stay(addr, &protocol.SubscribeArgs{Filter: wire.Filter{Jobs: []uuid.UUID{sample.JobID}, Severity: wire.SeverityError}})
	}},
	"no credit": {peers: 300, jobs: 10_000, runs: 50, cfg: momserver.Config{CacheBytes: 8 << 20}, do: func(addr string) {
		again(func() { stay(addr, &protocol.SubscribeArgs{From: wire.FromOldest}) })
	}},
	"no credit, many runs": {peers: 300, jobs: 9000, runs: 9000, do: func(addr string) {
		again(func() { stay(addr, &protocol.SubscribeArgs{From: wire.FromOldest}) })
	}},
	"little credit": {peers: 64, jobs: 10_000, do: func(addr string) { // as often as it may
		attacker(addr, func(conn *duplex.Conn) {
			call(conn, protocol.MethodSubscribe, &protocol.SubscribeArgs{From: wire.FromOldest}, &protocol.Subscribed{})
			for n := uint64(1); call(conn, protocol.MethodCredit, &protocol.Credit{Events: n, Bytes: 1 << 40}, &protocol.Nothing{}) == nil; n++ {
			}
		})
	}},
	"slow readers": {peers: 300, jobs: 10_000, do: func(addr string) {
		again(func() {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer nc.Close()
			if _, err := protocol.Greet(nc, token, time.Minute); err != nil {
				return
			}
			args := protocol.SubscribeArgs{From: wire.FromOldest, Credit: protocol.Credit{Events: 1 << 20, Bytes: 1 << 40}}
			nc.Write(wireattack.Frame(1, wireattack.Call(protocol.MethodSubscribe, &args)))
			for one := make([]byte, 1); err == nil; time.Sleep(time.Millisecond) {
				_, err = nc.Read(one)
			}
		})
	}},
	"jobs": {peers: 8, jobs: 10_000, do: func(addr string) {
		attacker(addr, func(conn *duplex.Conn) {
			for call(conn, protocol.MethodJobs, &protocol.JobsArgs{After: uuid.Max}, &protocol.Page{}) == nil {
			}
		})
	}},
	"history": {peers: 8, jobs: 10_000, do: func(addr string) {
		attacker(addr, func(conn *duplex.Conn) {
			for call(conn, protocol.MethodHistory, &protocol.HistoryArgs{}, &protocol.Page{}) == nil {
			}
		})
	}},
	"calls": {peers: 8, do: func(addr string) {
		attacker(addr, func(conn *duplex.Conn) {
			for call(conn, protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{}) == nil {
			}
		})
	}},
	"subscribe and unsubscribe": {peers: 16, jobs: 10_000, cfg: momserver.Config{Token: token}, do: func(addr string) {
		for {
			once(addr, func(conn *duplex.Conn) {
				call(conn, protocol.MethodSubscribe, &protocol.SubscribeArgs{From: wire.FromOldest}, &protocol.Subscribed{})
				call(conn, protocol.MethodUnsubscribe, &protocol.Nothing{}, &protocol.Nothing{})
			})
		}
	}},
	"callback endpoints that do not answer": {peers: 64, do: func(addr string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return
		}
		attacker(addr, func(conn *duplex.Conn) {
			args := protocol.SubscribeArgs{CallbackAddr: l.Addr().String(), Ticket: make([]byte, protocol.TicketSize)}
			for call(conn, protocol.MethodSubscribe, &args, &protocol.Subscribed{}); conn.Err() == nil; {
				call(conn, protocol.MethodSubscribe, &args, &protocol.Subscribed{})
			}
		})
	}},
	"hang up": {hangsUp: true, peers: 8, do: func(addr string) { // 250 times a second
		for range time.Tick(4 * time.Millisecond) {
			hangUp(addr)
		}
	}},
	"hang up at full speed": {hangsUp: true, peers: 2, do: func(addr string) {
		for {
			hangUp(addr)
		}
	}},
	"not MoM": {peers: 16, do: func(addr string) { // as fast as the server ends the connections
		for {
			if nc, err := net.Dial("tcp", addr); err == nil {
				io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
				nc.Read(make([]byte, 1))
				nc.Close()
			}
		}
	}},
	"wrong tokens": {peers: 16, cfg: momserver.Config{Token: token}, do: func(addr string) {
		for {
			if nc, err := net.Dial("tcp", addr); err == nil {
				protocol.Greet(nc, "a wrong token", time.Minute)
				nc.Close()
			}
		}
	}},
	"handshakes": {peers: 16, tls: true, do: func(addr string) { // whole ones, and then nothing
		for {
			if nc, err := tls.Dial("tcp", addr, anyServer); err == nil {
				nc.NetConn().Close()
			}
		}
	}},
	"half a handshake": {peers: 500, tls: true, do: func(addr string) {
		again(func() {
			if nc, err := net.Dial("tcp", addr); err == nil {
				tls.Client(halfConn{nc}, anyServer).Handshake()
				nc.Close()
			}
		})
	}},
	"silent": {peers: 2000, do: func(addr string) {
		again(func() {
			if nc, err := net.Dial("tcp", addr); err == nil {
				nc.Read(make([]byte, 1))
				nc.Close()
			}
		})
	}},
}

// config returns the configuration of the server that is attacked.
func (a *attack) config() momserver.Config {
	cfg := a.cfg
	if a.tls {
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{certs.NewAuthority().Issue("server", time.Hour, "127.0.0.1")}}
	}
	return cfg
}

// anyServer is the TLS configuration of a client that trusts every server.
var anyServer = &tls.Config{InsecureSkipVerify: true}

// halfConn is a connection on which a handshake begins and never ends.
type halfConn struct{ net.Conn }

func (c halfConn) Read(p []byte) (int, error) {
	for {
		if _, err := c.Conn.Read(p); err != nil {
			return 0, err
		}
	}
}

// hangUp connects and hangs up.
func hangUp(addr string) {
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
	}
}

// longestFilter matches nothing.
func longestFilter() (f wire.Filter) {
	for i := range wire.MaxFilterItems {
		f.Jobs = append(f.Jobs, uuid.New())
		f.Names = append(f.Names, fmt.Sprint("no job ", i))
	}
	return f
}

// stay subscribes without credit, answers all calls, and stays.
func stay(addr string, args *protocol.SubscribeArgs) {
	once(addr, func(conn *duplex.Conn) {
		if call(conn, protocol.MethodSubscribe, args, &protocol.Subscribed{}) == nil {
			<-conn.Done()
		}
	})
}

// attacker greets and attacks on the connection, and does so again whenever the
// connection has ended.
func attacker(addr string, do func(*duplex.Conn)) { again(func() { once(addr, do) }) }

// once is attacker without the repetition.
func once(addr string, do func(*duplex.Conn)) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer nc.Close()
	if _, err := protocol.Greet(nc, token, time.Minute); err != nil {
		return
	}
	conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 4 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
	go conn.Serve(protocol.CallbackService, obliging{})
	do(conn)
	conn.Close(wire.Errorf(wire.Closed, "again"))
	conn.Wait()
}

func call(conn *duplex.Conn, method string, args, reply any) error {
	return conn.Call(context.Background(), method, args, reply)
}

// obliging answers each call at once, and gives no credit.
type obliging struct{}

func (obliging) Notify(*protocol.Batch, *protocol.Ack) error        { return nil }
func (obliging) Goodbye(*protocol.Goodbye, *protocol.Nothing) error { return nil }

// spin uses up the time of this number of processors, and does nothing with it.
func spin(processors float64) {
	const period = 2 * time.Millisecond
	threads := runtime.GOMAXPROCS(0)
	share := time.Duration(min(1, processors/float64(threads)) * float64(period))
	for range threads {
		go func() {
			for next := time.Now(); ; time.Sleep(time.Until(next)) {
				next = next.Add(period)
				for until := time.Now().Add(share); time.Now().Before(until); {
				}
			}
		}()
	}
}
