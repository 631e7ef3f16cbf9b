package momserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/certs"
)

// stillListener accepts nothing.
type stillListener struct{ net.Listener }

func (stillListener) Close() error { return nil }

// kept counts what a server holds for its peers.
type kept struct {
	conns, addrs, heap, refusing                  int
	subs, subsFrom, callbacks, filterItems        int
	joined, calls, inFlight, timeouts, heartbeats int
	ready, catchingUp, posted                     int
	snapshots, snapshotEvents                     int
	jobKeys, jobLists, classes                    int
	longCalls, shortCalls, handshakes             int
	goroutines                                    int // those that packages of this module have started
}

// keptBy counts what srv holds, at a moment at which all its goroutines wait.
func keptBy(srv *Server) kept {
	synctest.Wait()
	srv.mu.Lock()
	defer srv.mu.Unlock()
	s, in := srv.sender, &srv.sender.interests
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	waiting := func(t *turns) (n int) {
		for _, some := range t.waiting {
			n += len(some)
		}
		return n - t.free
	}
	return kept{
		conns: len(srv.conns), addrs: len(srv.perAddr), heap: len(srv.byUnproven), refusing: srv.refusing,
		subs: len(srv.subs), subsFrom: len(srv.subsFrom), callbacks: srv.callbacks, filterItems: srv.filterItems,
		joined: len(s.subs), calls: len(s.calls), inFlight: s.callsInFlight, timeouts: s.timeouts.Len(), heartbeats: s.heartbeats.Len(),
		ready: s.ready.len(), catchingUp: s.catchingUp.len(), posted: len(s.posted),
		snapshots: s.snapshots.Len() + s.snapshotsByAge.Len(), snapshotEvents: s.snapshotEvents,
		jobKeys: len(in.jobLists.firsts), jobLists: len(in.jobLists.lists), classes: len(in.classes),
		longCalls: waiting(srv.longCalls), shortCalls: waiting(srv.calls), handshakes: waiting(srv.handshakes),
		goroutines: strings.Count(string(stacks), "\ncreated by mom.internal/"),
	}
}

// TestNothingKept: after peers have left, the server holds nothing for them,
// whatever they have done, and whether or not they have said goodbye.
func TestNothingKept(t *testing.T) {
	authority := certs.NewAuthority()
	secured := &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "server")}, SessionTicketsDisabled: true}
	ids, names := make([]uuid.UUID, wire.MaxFilterItems), make([]string, wire.MaxFilterItems)
	for i := range ids {
		ids[i], names[i] = uuid.UUID{1, byte(i), byte(i >> 8)}, fmt.Sprint("no job ", i)
	}
	most := protocol.Credit{Events: 1 << 20, Bytes: 1 << 40}
	// client returns a function that acts as a client that has greeted, with its
	// callback endpoint.
	client := func(callback any, do func(ctx context.Context, conn *duplex.Conn)) func(net.Conn) {
		return func(nc net.Conn) {
			if _, err := protocol.Greet(nc, "right", time.Minute); err != nil {
				t.Error(err)
			}
			conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 4 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
			go conn.Serve(protocol.CallbackService, callback)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			do(ctx, conn)
			conn.Close(wire.Errorf(wire.Closed, "enough"))
			conn.Wait()
		}
	}
	subscribe := func(callback any, args protocol.SubscribeArgs) func(net.Conn) {
		return client(callback, func(ctx context.Context, conn *duplex.Conn) {
			conn.Call(ctx, protocol.MethodSubscribe, &args, &protocol.Subscribed{})
			time.Sleep(20 * time.Second)
		})
	}
	again := func(method string, args any, reply func() any) func(net.Conn) {
		return client(answering{}, func(ctx context.Context, conn *duplex.Conn) {
			for range 100 {
				conn.Call(ctx, method, args, reply())
			}
			time.Sleep(time.Second)
		})
	}
	nothing, page := func() any { return new(protocol.Nothing) }, func() any { return new(protocol.Page) }
	says := func(bytes []byte) func(net.Conn) {
		return func(nc net.Conn) { nc.Write(bytes); time.Sleep(time.Second) }
	}
	for name, tc := range map[string]struct {
		do   func(net.Conn)
		cfg  Config
		soon bool // the server ends it at once
	}{
		"hang up":          {do: func(net.Conn) {}, soon: true},
		"silent":           {do: func(net.Conn) { time.Sleep(time.Minute) }},
		"not MoM":          {do: says([]byte("GET / HTTP/1.1\r\n\r\n")), soon: true},
		"half a greeting":  {do: says([]byte("MoM"))},
		"wrong token":      {do: func(nc net.Conn) { protocol.Greet(nc, "wrong", time.Minute) }, soon: true},
		"half a handshake": {do: says([]byte{22, 3, 1, 1, 0, 1, 0, 2, 0}), cfg: Config{TLS: secured}},
		"whole handshakes": {do: func(nc net.Conn) {
			tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).Handshake()
			time.Sleep(time.Second)
		}, cfg: Config{TLS: secured}},
		"no call":         {do: client(answering{}, func(context.Context, *duplex.Conn) { time.Sleep(time.Hour) })},
		"pings":           {do: again(protocol.MethodPing, &protocol.Nothing{}, nothing)},
		"pages of jobs":   {do: again(protocol.MethodJobs, &protocol.JobsArgs{}, page)},
		"pages of events": {do: again(protocol.MethodHistory, &protocol.HistoryArgs{}, page)},
		"unknown methods": {do: again("MoM.None", &protocol.Nothing{}, nothing)},
		"no credit":       {do: subscribe(answering{}, protocol.SubscribeArgs{From: wire.FromOldest})},
		"little credit":   {do: subscribe(answering{}, protocol.SubscribeArgs{From: wire.FromOldest, Credit: protocol.Credit{Events: 1, Bytes: 1}})},
		"long filter":     {do: subscribe(answering{}, protocol.SubscribeArgs{Filter: wire.Filter{Jobs: ids, Names: names}})},
		"long name":       {do: subscribe(answering{}, protocol.SubscribeArgs{Filter: wire.Filter{Names: []string{strings.Repeat("x", 60_000)}}})},
		"many filters":    {do: subscribe(answering{}, protocol.SubscribeArgs{Filter: wire.Filter{Jobs: ids, Names: names}}), cfg: Config{MaxFilterItems: 5000}},
		"many snapshots":  {do: subscribe(answering{}, protocol.SubscribeArgs{From: wire.FromOldest}), cfg: Config{MaxSnapshotEvents: 30}},
		"never answers":   {do: subscribe(hanging{}, protocol.SubscribeArgs{Credit: most})},
		"lies":            {do: subscribe(lying{}, protocol.SubscribeArgs{Credit: most}), soon: true},
		"unsubscribes": {do: client(answering{}, func(ctx context.Context, conn *duplex.Conn) {
			conn.Call(ctx, protocol.MethodSubscribe, &protocol.SubscribeArgs{Filter: wire.Filter{Jobs: ids[:3]}}, &protocol.Subscribed{})
			conn.Call(ctx, protocol.MethodUnsubscribe, &protocol.Nothing{}, &protocol.Nothing{})
			time.Sleep(time.Hour)
		})},
		"no endpoint": {
			do:  subscribe(answering{}, protocol.SubscribeArgs{CallbackAddr: "127.0.0.1:1", Ticket: make([]byte, protocol.TicketSize)}),
			cfg: Config{AllowCallback: anyCallback, DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no") }},
		},
		"silent endpoint": {
			do:  subscribe(answering{}, protocol.SubscribeArgs{CallbackAddr: "127.0.0.1:1", Ticket: make([]byte, protocol.TicketSize)}),
			cfg: Config{AllowCallback: anyCallback, DialContext: func(context.Context, string, string) (net.Conn, error) { nc, _ := net.Pipe(); return nc, nil }},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.cfg.Token = "right"
				srv := New(tc.cfg)
				defer srv.Close()
				srv.addListener(stillListener{})
				for i := range 20 {
					publishMore(t, srv.hist, uuid.UUID{byte(i + 1)}, 1)
				}
				before := keptBy(srv)
				for i := range 5 {
					go func() {
						nc := connected(srv, fmt.Sprint("10.0.0.", i%2+1))
						defer nc.Close()
						tc.do(nc)
					}()
				}
				synctest.Wait()
				if srv.Stats().Connections == 0 && !tc.soon {
					t.Error("the server holds nothing meanwhile: this test sees too little")
				}
				time.Sleep(2 * time.Hour)
				if after := keptBy(srv); after != before {
					t.Errorf("the server holds %+v; before the peers came it held %+v", after, before)
				}
			})
		})
	}
}

func anyCallback(_, _ netip.AddrPort) bool { return true }

// answering answers all calls, and gives no credit.
type answering struct{}

func (answering) Notify(*protocol.Batch, *protocol.Ack) error        { return nil }
func (answering) Goodbye(*protocol.Goodbye, *protocol.Nothing) error { return nil }

// hanging answers no call for a minute.
type hanging struct{ answering }

func (hanging) Notify(*protocol.Batch, *protocol.Ack) error { time.Sleep(time.Minute); return nil }

// lying answers with an error.
type lying struct{ answering }

func (lying) Notify(*protocol.Batch, *protocol.Ack) error { return errors.New("no") }
