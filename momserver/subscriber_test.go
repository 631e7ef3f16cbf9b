package momserver

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// TestCreditLeft: what may still be sent is bounded by events and by bytes, and
// credit only grows.
func TestCreditLeft(t *testing.T) {
	for _, tc := range []struct {
		credit          protocol.Credit
		sent, sentBytes uint64
		events, bytes   uint64
	}{
		{protocol.Credit{}, 0, 0, 0, 0},
		{protocol.Credit{Events: 5, Bytes: 100}, 0, 0, 5, 100},
		{protocol.Credit{Events: 5, Bytes: 100}, 3, 99, 2, 1},
		{protocol.Credit{Events: 5, Bytes: 100}, 3, 100, 0, 0},
		{protocol.Credit{Events: 5, Bytes: 100}, 3, 170, 0, 0}, // the last event went over
		{protocol.Credit{Events: 5, Bytes: 100}, 5, 50, 0, 50},
		{protocol.Credit{Events: 1<<64 - 1, Bytes: 1<<64 - 1}, 5, 50, 1<<64 - 6, 1<<64 - 51},
	} {
		sub := &subscriber{credit: tc.credit, sent: tc.sent, sentBytes: tc.sentBytes}
		if events, bytes := sub.creditLeft(); events != tc.events || bytes != tc.bytes {
			t.Errorf("%+v: %d events, %d bytes are left", tc, events, bytes)
		}
	}
	if got, want := (protocol.Credit{Events: 1, Bytes: 9}).Max(protocol.Credit{Events: 3, Bytes: 2}), (protocol.Credit{Events: 3, Bytes: 9}); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
}

// TestBehind checks whether there is anything to send, and whether all has been
// sent and acknowledged.
func TestBehind(t *testing.T) {
	cfg := Config{}.withDefaults()
	h := history.New(cfg.history())
	publishMore(t, h, uuid.UUID{1}, 1)
	at := func(next uint64) history.Position {
		p, _ := h.Begin(wire.FromNow, wire.Cursor{}, false) // with one event in its snapshot
		p.Next = next
		return p
	}
	gaveUp := at(11)
	gaveUp.GiveUp()
	for _, tc := range []struct {
		sub          *subscriber
		behind, done bool
		unsent       uint64
	}{
		{&subscriber{isNew: true, at: history.Position{Next: 11}}, true, false, 0},
		{&subscriber{at: history.Position{Next: 11}, credit: protocol.Credit{Events: 1, Bytes: 1 << 40}}, false, true, 0},
		{&subscriber{at: history.Position{Next: 11}, credit: protocol.Credit{Events: 1, Bytes: 1 << 40}, unanswered: []*call{{}}}, false, false, 0},
		{&subscriber{at: history.Position{Next: 10}, credit: protocol.Credit{Events: 1, Bytes: 1 << 40}}, true, false, 1},
		{&subscriber{at: history.Position{Next: 10}}, false, false, 1},
		{&subscriber{at: history.Position{Next: 10}, credit: protocol.Credit{Events: 7, Bytes: 1 << 40}, sent: 7}, false, false, 1},
		{&subscriber{at: at(11), credit: protocol.Credit{Events: 1, Bytes: 1 << 40}}, true, false, 1},
		{&subscriber{at: gaveUp, credit: protocol.Credit{Events: 1, Bytes: 1 << 40}}, true, false, 0},
		{&subscriber{at: gaveUp}, false, false, 0},
		{&subscriber{at: at(8)}, false, false, 4},
	} {
		sub := tc.sub
		if sub.sendable(10) != tc.behind || sub.acknowledgedAll(10) != tc.done || sub.unsentEvents(10) != tc.unsent {
			t.Errorf("at %+v with credit for %d: behind %v, done %v, %d not sent; want %v, %v, %d", sub.at, sub.credit.Events, sub.sendable(10), sub.acknowledgedAll(10), sub.unsentEvents(10), tc.behind, tc.done, tc.unsent)
		}
	}
}

// TestFill makes the batches of a subscriber after a gap: the snapshot first,
// as far as credit and bytes allow, and then events. The first batch announces
// the gap.
func TestFill(t *testing.T) {
	cfg := Config{CacheEvents: 10}.withDefaults()
	h := history.New(cfg.history())
	for i := range 3 {
		publishMore(t, h, uuid.UUID{byte(i + 1)}, 1)
	}
	publishMore(t, h, uuid.UUID{4}, 20) // so that 14 to 23 are cached
	sub := &subscriber{isNew: true}
	var err error
	if sub.at, err = h.Begin(wire.FromCursor, wire.Cursor{Epoch: h.Epoch(), Seq: 3}, false); err != nil {
		t.Fatal(err)
	}
	var b protocol.Batch
	for i, tc := range []struct {
		limit uint64
		bytes int
		want  string // types, count, of the snapshot, missed, next, pending
	}{
		{0, 1 << 20, "true 0 0 10 14 4"},
		{2, 1 << 20, "false 2 2 0 14 2"},
		{3, 1 << 20, "false 1 1 0 14 1"},
		{100, 1 << 20, "false 1 1 0 14 0"}, // never both in one
		{100, 1, "false 1 0 0 15 0"},
		{100, 1 << 20, "false 9 0 0 24 0"},
		{100, 1 << 20, "false 0 0 0 24 0"},
	} {
		sub.credit = protocol.Credit{Events: tc.limit, Bytes: 1 << 40}
		data, _ := sub.fill(h, &b, []byte("old")[:0], h.Head(), tc.bytes)
		if got := fmt.Sprint(len(b.Types) > 0, b.Count, b.Snapshot, b.Missed, b.Next, b.Pending); got != tc.want || len(data) != len(b.Events) || (len(data) == 0) != (b.Count == 0) {
			t.Errorf("batch %d: %s; want %s", i, got, tc.want)
		}
		sub.isNew, sub.sent = false, sub.sent+uint64(b.Count)
	}
	if !sub.at.SnapshotRead() {
		t.Error("a snapshot that has been sent is kept")
	}
}

// TestFillSnapshotByBytes takes at least one event of a snapshot, and otherwise
// no more than fit into the bytes.
func TestFillSnapshotByBytes(t *testing.T) {
	cfg := Config{}.withDefaults()
	h := history.New(cfg.history())
	for i := range 4 {
		publishMore(t, h, uuid.UUID{byte(i + 1)}, 1)
	}
	counts := func(maxBytes int) (counts []uint32, first int) {
		sub := &subscriber{credit: protocol.Credit{Events: 100, Bytes: 1 << 40}}
		sub.at, _ = h.Begin(wire.FromNow, wire.Cursor{}, false)
		var b protocol.Batch
		for sub.sendable(h.Head()) {
			data, _ := sub.fill(h, &b, nil, h.Head(), maxBytes)
			if len(counts) == 0 {
				first = len(data)
			}
			counts = append(counts, b.Count)
		}
		return counts, first
	}
	if got, _ := counts(0); fmt.Sprint(got) != "[1 1 1 1]" {
		t.Errorf("batches of %v", got)
	}
	if got, _ := counts(1 << 20); fmt.Sprint(got) != "[4]" {
		t.Errorf("batches of %v", got)
	}
}

// TestInfo is what the operator sees of a subscriber.
func TestInfo(t *testing.T) {
	srv := New(Config{})
	sub, _ := testSubscriber(t, srv, 7)
	sub.name, sub.addr, sub.since = "n", "a", time.Unix(1e9, 0)
	sub.identity = &identity{name: "i"}
	if lag := sub.info(100, 101).Lag; lag != 0 {
		t.Errorf("lag %d before its place is known", lag)
	}
	sub.at.Next, sub.sent = 95, 3
	sub.updateFigures(4, time.Second)
	sub.updateFigures(5, 0)
	want := SubscriberInfo{Name: "n", Identity: "i", Addr: "a", Since: sub.since, Next: 95, Lag: 6, Credit: 4, Delivered: 3, Missed: 9, RTT: time.Second}
	if got := sub.info(100, 101); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
	if got := sub.info(94, 95); got.Lag != 0 {
		t.Errorf("lag %d of one that has everything", got.Lag)
	}
	sub.caughtUp = true
	sub.updateFigures(0, 0)
	if got := sub.info(100, 99); got.Lag != 2 || got.Next != 99 {
		t.Errorf("idle: %+v", got)
	}
	if l := label(want.Name, want.Addr); l != `"n" (a)` {
		t.Error(l)
	}
}
