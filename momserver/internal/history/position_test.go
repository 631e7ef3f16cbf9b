package history

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// TestResume: a snapshot that was given up goes on where it was, as long as no
// event after it is lost. Otherwise the reader gets a gap, which adds to what it
// has missed already, and a whole snapshot.
func TestResume(t *testing.T) {
	for _, tc := range []struct {
		from         wire.From
		evict, later int
		missed, next uint64
		snapshot     []uint64
	}{
		{wire.FromNow, 0, 0, 7, 5, []uint64{3, 4}},
		{wire.FromNow, 0, 2, 7 + 2, 7, []uint64{2, 3, 4, 6}},
		{wire.FromOldest, 2, 0, 7, 3, []uint64{2}},
		{wire.FromOldest, 2, 1, 7 + 1, 4, []uint64{1, 2, 3}},
	} {
		limits := Limits{}
		if tc.evict > 0 {
			limits.Events = 2
		}
		h := withDefaults(limits)
		for run := range byte(4) {
			publishMore(t, h, uuid.UUID{run + 1}, 1)
		}
		p, err := h.Begin(tc.from, wire.Cursor{}, false)
		if err != nil {
			t.Fatal(err)
		}
		p.Missed = 7
		p.ReadSnapshot(new(Reader), Portion{Looks: 9, Events: 2 - tc.evict/2, Bytes: 1 << 20}, nil)
		p.GiveUp()
		if p.SnapshotLeft() != 0 || p.SnapshotRead() || !p.GivenUp() {
			t.Errorf("given up: %+v", p)
		}
		publishMore(t, h, uuid.UUID{1}, tc.later)
		if h.Resume(&p); p.Missed != tc.missed || p.Next != tc.next || !slices.Equal(seqsOf(p.snapshot), tc.snapshot) || p.GivenUp() {
			t.Errorf("%+v: %d missed, next %d, snapshot %v", tc, p.Missed, p.Next, seqsOf(p.snapshot))
		}
	}
}

// TestBeginInTurns: callers of Begin wait for each other, and not with the lock that
// Publish needs. Resume does not wait for them.
func TestBeginInTurns(t *testing.T) {
	h := withDefaults(Limits{})
	publishMore(t, h, uuid.UUID{1}, 1)
	p, err := h.Begin(wire.FromNow, wire.Cursor{}, false)
	if err != nil {
		t.Fatal(err)
	}
	h.beginning.Lock()
	began := make(chan error)
	go func() {
		_, err := h.Begin(wire.FromNow, wire.Cursor{}, false)
		began <- err
	}()
	publishMore(t, h, uuid.UUID{1}, 1)
	p.GiveUp()
	h.Resume(&p)
	h.beginning.Unlock()
	if err := <-began; err != nil {
		t.Error(err)
	}
}
