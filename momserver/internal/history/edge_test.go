package history

import (
	"math/rand/v2"
	"testing"
)

// TestEdge compares the runs at an edge of the cache with the runs in a map,
// through random changes, and checks that the edge points to nothing else, has few
// gaps, and takes snapshots in the order of the events.
func TestEdge(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var o edge
	refs := make([]ref, 300)
	want := make(map[*ref]*event)
	for i := range 20_000 {
		s := &refs[r.IntN(len(refs))]
		switch {
		case r.IntN(3) == 0:
			delete(want, s)
			o.clear(s)
		case s.e != nil && r.IntN(3) == 0:
			want[s] = &event{seq: s.e.seq} // another copy of it
			o.set(s, want[s])
		default:
			want[s] = &event{seq: uint64(i)}
			o.set(s, want[s])
		}
		snapshot := closeGaps(o.snapshot())
		if len(snapshot) != len(want) || cap(snapshot) != len(want) || o.n != len(want) || len(o.events) > 2*o.n+minGaps || len(o.refs) != len(o.events) {
			t.Fatalf("%d events of %d runs, in %d places; want %d", len(snapshot), o.n, len(o.events), len(want))
		}
		for i := range refs {
			s := &refs[i]
			if s.e != want[s] || s.e != nil && (o.events[s.at] != s.e || o.refs[s.at] != s) {
				t.Fatalf("run %d has %v; want %v", i, s.e, want[s])
			}
		}
		for _, e := range o.events[len(o.events):cap(o.events)] {
			if e != nil {
				t.Fatal("it keeps an event of a run that has been taken out")
			}
		}
		for i, e := range snapshot {
			if i > 0 && snapshot[i-1].seq >= e.seq {
				t.Fatal("the snapshot is in no order")
			}
		}
	}
}
