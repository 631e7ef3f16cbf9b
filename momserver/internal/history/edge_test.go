package history

import (
	"math/rand/v2"
	"testing"
)

// TestEdge compares the runs at an edge of the cache with the runs in a map,
// through random changes, and checks that the edge points to nothing else, has few
// gaps, and takes snapshots in the order of the events, which do not change any more.
func TestEdge(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var o edge
	refs := make([]ref, 300)
	want := make(map[*ref]*event)
	var held []*event // a snapshot
	var seqs []uint64 // of its events
	reused := 0       // events whose memory was used again
	for i := range 20_000 {
		s := &refs[r.IntN(len(refs))]
		set := func(e *event) {
			want[s] = e
			before := s.e
			if o.set(s, *e); before != nil && s.e == before {
				reused++
			}
		}
		switch {
		case r.IntN(3) == 0:
			delete(want, s)
			o.clear(s)
		case s.e != nil && r.IntN(3) == 0:
			set(&event{seq: s.e.seq}) // another copy of it
		default:
			set(&event{seq: uint64(i)})
		}
		for i, e := range held {
			if e.seq != seqs[i] {
				t.Fatalf("event %d of a snapshot became %d", seqs[i], e.seq)
			}
		}
		if len(o.events) > 2*o.n+minGaps || len(o.refs) != len(o.events) || o.n != len(want) {
			t.Fatalf("%d events in %d places; want %d", o.n, len(o.events), len(want))
		}
		for i := range refs {
			s := &refs[i]
			if (s.e == nil) != (want[s] == nil) || s.e != nil && (s.e.seq != want[s].seq || o.events[s.at] != s.e || o.refs[s.at] != s) {
				t.Fatalf("run %d has %v; want %v", i, s.e, want[s])
			}
		}
		for _, e := range o.events[len(o.events):cap(o.events)] {
			if e != nil {
				t.Fatal("it keeps an event of a run that has been taken out")
			}
		}
		if r.IntN(4) > 0 {
			continue
		}
		held, seqs = closeGaps(o.snapshot()), nil
		if len(held) != len(want) || cap(held) != len(want) {
			t.Fatalf("a snapshot of %d events; want %d", len(held), len(want))
		}
		for i, e := range held {
			if seqs = append(seqs, e.seq); i > 0 && seqs[i-1] >= e.seq {
				t.Fatal("the snapshot is in no order")
			}
		}
	}
	if reused == 0 {
		t.Error("the memory of no event was used again")
	}
}
