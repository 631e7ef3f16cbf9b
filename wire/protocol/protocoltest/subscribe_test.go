package protocoltest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestGreeting reads the welcome, and each refusal of the greeting's table.
func TestGreeting(t *testing.T) {
	srv, addr := serving(t, momserver.Config{Token: "sesame", Heartbeat: 1500 * time.Millisecond, MaxMessage: 12345})
	c := connect(t, addr, "sesame")
	if c.epoch != id(srv.Epoch()) || c.heartbeat != 1500*time.Millisecond || c.limit != 12345 {
		t.Errorf("welcome: %x, %v, %d", c.epoch, c.heartbeat, c.limit)
	}
	for _, tc := range []struct {
		name, want string
		hello      []byte
	}{
		{"wrong token", "mom:unauthorized:0:", hello(1, "Sesame")},
		{"no token", "mom:unauthorized:0:", hello(1, "")},
		{"long token", "mom:unauthorized:0:", hello(1, strings.Repeat("x", 1025))},
		{"version 0", "mom:version:0:", hello(0, "sesame")},
		{"version 2", "mom:version:0:", hello(2, "sesame")},
		{"version and no more", "mom:version:0:", append([]byte("MoM\x01"), 255, 0, 0)},
	} {
		nc := dial(t, addr)
		status, body := greet(t, nc, tc.hello)
		if status == 0 || !strings.HasPrefix(string(body), tc.want) {
			t.Errorf("%s: %d %q; want %q", tc.name, status, body, tc.want)
		}
		ended(t, nc)
	}
	nc := dial(t, addr)
	nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	buf := make([]byte, 1)
	if n, err := nc.Read(buf); n > 0 || err == nil {
		t.Errorf("a stranger is answered: %q, %v", buf[:n], err)
	}
}

// TestRefusedFull: a client over the bound is told how long to wait.
func TestRefusedFull(t *testing.T) {
	_, addr := serving(t, momserver.Config{MaxConns: 1})
	connect(t, addr, "")
	nc := dial(t, addr)
	if status, body := greet(t, nc, hello(1, "")); status == 0 || !strings.HasPrefix(string(body), "mom:full:1000:") {
		t.Errorf("%d %q", status, body)
	}
	ended(t, nc)
}

// TestSubscribe gets a snapshot, events as they come with their fields, a
// heartbeat, and a goodbye.
func TestSubscribe(t *testing.T) {
	srv, addr := serving(t, momserver.Config{Heartbeat: 20 * time.Millisecond})
	run := uuid.New()
	publish(t, srv, run, wire.JobInitialized)
	publish(t, srv, run, wire.Transferring)
	publish(t, srv, uuid.New(), wire.JobCompleted)

	c := connect(t, addr, "")
	c.credit = 100
	var sub subscribed
	c.must("MoM.Subscribe", &subscribeArgs{Name: "stranger", Credit: credit{100, 1 << 30}}, &sub)
	if sub != (subscribed{Cursor: cursor{c.epoch, 3}, Head: 3, Snapshot: 1}) {
		t.Errorf("subscribed: %+v", sub)
	}
	c.until("the snapshot", func() bool { return c.next == 4 && c.pending == 0 })
	publish(t, srv, run, wire.Transferred)
	c.until("the event", func() bool { return c.next == 5 })
	c.took("snapshot 2", "event 4")
	ev := c.events[1]
	if ev.run.RunID != id(run) || ev.run.JobID != id(uuid.NameSpaceDNS) || ev.run.Initialize.Name != "site" ||
		ev.run.Initialize.FilesInPackages != 7 || ev.run.LastExecution != 1e18+5 || ev.pack != nil ||
		ev.State != 4 || ev.Log[0] != (logRecord{Severity: 2, Message: "\xff, odd"}) || ev.BytesDone != 1<<40 {
		t.Errorf("the event: %+v", ev)
	}
	empty := c.emptyBatches
	c.until("a heartbeat", func() bool { return c.emptyBatches > empty })
	if c.typesSent != 1 {
		t.Errorf("types sent %d times in %d batches", c.typesSent, c.batches)
	}
	if failed, err := c.call("MoM.Subscribe", &subscribeArgs{}, &sub); !strings.HasPrefix(failed, "mom:already-subscribed:0:") || err != nil {
		t.Errorf("a second subscription: %q, %v", failed, err)
	}
	if failed, err := c.call("MoM.Nonsense", &nothing{}, nil); !strings.HasPrefix(failed, "mom:unknown-method:0:") || strings.Contains(failed, "Nonsense") || err != nil {
		t.Errorf("an unknown method: %q, %v", failed, err)
	}

	shut := make(chan error, 1)
	go func() { shut <- srv.Shutdown(context.Background()) }()
	c.until("the goodbye", func() bool { return len(c.goodbyes) > 0 })
	if g := c.goodbyes[0]; g.Code != "draining" || g.AfterMillis == 0 {
		t.Errorf("goodbye: %+v", g)
	}
	ended(t, c.nc)
	if err := <-shut; err != nil {
		t.Error(err)
	}
}

// TestCreditAndGap gives no credit until the events have left the cache. Then the
// client gets the number of missed events, the snapshot in parts, and events.
func TestCreditAndGap(t *testing.T) {
	srv, addr := serving(t, momserver.Config{CacheEvents: 5, Heartbeat: 20 * time.Millisecond})
	c := connect(t, addr, "")
	var sub subscribed
	c.must("MoM.Subscribe", &subscribeArgs{Credit: credit{1, 1 << 30}}, &sub)
	runs := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	publish(t, srv, runs[0], wire.JobInitialized) // 1
	c.until("the first event", func() bool { return c.next == 2 })
	publish(t, srv, runs[1], wire.JobInitialized) // 2
	publish(t, srv, runs[2], wire.JobInitialized) // 3
	for range 7 {
		publish(t, srv, uuid.New(), wire.JobCompleted) // 4 to 10
	}
	beats := c.emptyBatches
	c.until("heartbeats", func() bool { return c.emptyBatches >= beats+2 })
	c.took("event 1")

	// Each credit leads to one part; Pending counts the rest. The answers of no
	// credit take nothing back.
	for i, pending := range []uint32{2, 1, 0} {
		before := c.next
		c.must("MoM.Credit", &credit{uint64(2 + i), 1 << 30}, &nothing{})
		c.until("a part", func() bool { return len(c.marks) > i })
		if i == 0 {
			c.took("missed 4", "snapshot 1")
			c.marks = make([]string, 1)
		}
		if c.pending != pending || c.next != 6 || i > 0 && before != 6 {
			t.Errorf("part %d: %d pending, next %d", i, c.pending, c.next)
		}
	}
	c.marks = c.marks[1:]
	c.took("snapshot 2", "snapshot 3")
	c.must("MoM.Credit", &credit{7, 1}, &nothing{}) // and the greater number of bytes, which was given before
	c.until("the rest", func() bool { return c.next == 9 })
	beats = c.emptyBatches
	c.until("a heartbeat", func() bool { return c.emptyBatches > beats })
	c.took("event 6", "event 7", "event 8")

	// The end of the connection is an answer as well.
	if failed, err := c.call("MoM.Unsubscribe", &nothing{}, &nothing{}); failed != "" {
		t.Errorf("unsubscribing: %q, %v", failed, err)
	}
	publish(t, srv, runs[0], wire.JobCompleted)
	c.notify = func(b *batch) ack {
		t.Errorf("called after Unsubscribe: %+v", b)
		return ack{}
	}
	c.call("MoM.Ping", &nothing{}, &nothing{})
}

// TestForgottenDefinitions: the server sends a definition again if, and only if,
// a receiver has forgotten it, for the number or for the bytes of those that
// came after it.
func TestForgottenDefinitions(t *testing.T) {
	for _, tc := range []struct {
		runs, name int
		kept       bool // the first run's definition, when all runs have been defined
	}{{4096, 1, true}, {600, 1000, false}} {
		srv, addr := serving(t, momserver.Config{})
		for i := range tc.runs + 3 {
			n := i
			if i == tc.runs || i == tc.runs+2 {
				n = 0
			}
			run := uuid.UUID{byte(n), byte(n >> 8), 1}
			err := srv.Publish(wire.Event{JobID: run, RunID: run, Data: wire.TransferData{
				Initialize: &wire.InitializeData{Name: strings.Repeat("n", tc.name)},
				Status:     wire.Status{State: wire.Transferring},
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		c := connect(t, addr, "")
		c.credit = 10_000
		c.must("MoM.Subscribe", &subscribeArgs{From: 1, Credit: credit{10_000, 1 << 30}}, &subscribed{})
		c.until("the last event", func() bool { return len(c.events) == tc.runs+3 })
		first, again, last := c.events[0].run, c.events[tc.runs].run, c.events[tc.runs+2].run
		if (first == again) != tc.kept || first == last || first.RunID != again.RunID || first.RunID != last.RunID {
			t.Errorf("%d runs: %p, %p, %p", tc.runs, first, again, last)
		}
	}
}

// TestPlaces subscribes at each place of PROTOCOL.md's table, with and without
// Renew. The oldest cached event is 4 and the newest one 6.
func TestPlaces(t *testing.T) {
	srv, addr := serving(t, momserver.Config{CacheEvents: 3, Heartbeat: 20 * time.Millisecond})
	run := uuid.New()
	for range 6 {
		publish(t, srv, run, wire.Transferring)
	}
	epoch := id(srv.Epoch())
	for _, tc := range []struct {
		name  string
		args  subscribeArgs
		sub   subscribed
		want  string
		renew *subscribed // with Renew; nil for the same
		again string      // what then comes
	}{
		{name: "now", args: subscribeArgs{From: 0}, sub: subscribed{cursor{epoch, 6}, 6, 0, 1}, want: "snapshot 6"},
		{name: "oldest", args: subscribeArgs{From: 1}, sub: subscribed{cursor{epoch, 3}, 6, 0, 1}, want: "snapshot 3, event 4, event 5, event 6"},
		{"newest", subscribeArgs{From: 2, Cursor: cursor{epoch, 6}}, subscribed{cursor{epoch, 6}, 6, 0, 0}, "", &subscribed{cursor{epoch, 6}, 6, 0, 1}, "snapshot 6"},
		{"in the cache", subscribeArgs{From: 2, Cursor: cursor{epoch, 4}}, subscribed{cursor{epoch, 4}, 6, 0, 0}, "event 5, event 6", &subscribed{cursor{epoch, 6}, 6, 2, 1}, "missed 2, snapshot 6"},
		{"just before the cache", subscribeArgs{From: 2, Cursor: cursor{epoch, 3}}, subscribed{cursor{epoch, 3}, 6, 0, 0}, "event 4, event 5, event 6", &subscribed{cursor{epoch, 3}, 6, 0, 1}, "snapshot 3, event 4, event 5, event 6"},
		{name: "older", args: subscribeArgs{From: 2, Cursor: cursor{epoch, 1}}, sub: subscribed{cursor{epoch, 3}, 6, 2, 1}, want: "missed 2, snapshot 3, event 4, event 5, event 6"},
		{name: "other epoch", args: subscribeArgs{From: 2, Cursor: cursor{id{1}, 5}}, sub: subscribed{cursor{epoch, 3}, 6, 3, 1}, want: "missed 3, snapshot 3, event 4, event 5, event 6"},
		{name: "filtered", args: subscribeArgs{From: 1, Filter: filter{States: []uint8{6}}}, sub: subscribed{cursor{epoch, 3}, 6, 0, 1}},
		{name: "filtered by outcome", args: subscribeArgs{From: 1, Filter: filter{Outcomes: []uint8{3, 4}}}, sub: subscribed{cursor{epoch, 3}, 6, 0, 1}},
	} {
		for _, renew := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, ", renew ", renew), func(t *testing.T) {
				if renew && tc.renew != nil {
					tc.sub, tc.want = *tc.renew, tc.again
				}
				c := connect(t, addr, "")
				c.credit, tc.args.Credit, tc.args.Renew = 100, credit{100, 1 << 30}, renew
				var sub subscribed
				c.must("MoM.Subscribe", &tc.args, &sub)
				if sub != tc.sub {
					t.Errorf("subscribed %+v; want %+v", sub, tc.sub)
				}
				c.until("the head", func() bool { return c.next == 7 && c.pending == 0 })
				c.took(tc.want)
			})
		}
	}
}

// TestBadRequests: the server refuses them, and the connection remains.
func TestBadRequests(t *testing.T) {
	srv, addr := serving(t, momserver.Config{})
	c := connect(t, addr, "")
	for name, args := range map[string]*subscribeArgs{
		"cursor ahead": {From: 2, Cursor: cursor{id(srv.Epoch()), 1}}, "no place": {From: 3},
		"long name": {Name: strings.Repeat("n", 129)}, "name not in UTF-8": {Name: "\xff"}, "no state": {Filter: filter{States: []uint8{10}}},
		"no outcome":  {Filter: filter{Outcomes: []uint8{5}}},
		"no severity": {Filter: filter{Severity: 4}}, "long filter": {Filter: filter{Names: make([]string, 1025)}},
		"short ticket": {CallbackAddr: "127.0.0.1:1", Ticket: make([]byte, 31)}, "no port": {CallbackAddr: "127.0.0.1:0", Ticket: make([]byte, 32)},
	} {
		if failed, err := c.call("MoM.Subscribe", args, &subscribed{}); !strings.HasPrefix(failed, "mom:bad-request:0:") || err != nil {
			t.Errorf("%s: %q, %v", name, failed, err)
		}
	}
	for method, args := range map[string]any{"MoM.Credit": &credit{}, "MoM.Unsubscribe": &nothing{}} {
		if failed, err := c.call(method, args, &nothing{}); !strings.HasPrefix(failed, "mom:not-subscribed:0:") || err != nil {
			t.Errorf("%s: %q, %v", method, failed, err)
		}
	}
	c.must("MoM.Ping", &nothing{}, &nothing{})
}

// TestFrameTooLong: a frame over the bound, or of an unknown kind, ends the
// connection.
func TestFrameTooLong(t *testing.T) {
	_, addr := serving(t, momserver.Config{MaxMessage: 1000})
	for _, head := range [][]byte{{1, 0, 0, 3, 233}, {0, 0, 0, 0, 0}, {3, 0, 0, 0, 0}, {255, 255, 255, 255, 255}} {
		var nc net.Conn = connect(t, addr, "").nc
		nc.Write(head)
		ended(t, nc)
	}
}
