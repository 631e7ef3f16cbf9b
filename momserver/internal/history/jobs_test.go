package history

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// TestLongestSilentGoesFirst: the job that has been silent longest is dropped
// first, whether others are new or have a further event.
func TestLongestSilentGoesFirst(t *testing.T) {
	h := withDefaults(Limits{Jobs: 3})
	var order []byte // of the last to speak, the last one last
	for i := range 500 {
		id := byte(i * i * 7 % 11)
		publishMore(t, h, uuid.UUID{1, id}, 1)
		order = append(slices.DeleteFunc(order, func(b byte) bool { return b == id }), id)
		order = order[max(0, len(order)-3):]
		var got []byte
		for _, e := range h.jobs.after(uuid.Nil, 1<<20) {
			got = append(got, e.def.JobID()[1])
		}
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(order)); !slices.Equal(got, want) || h.jobs.order.Len() != len(want) || len(h.jobs.byID) != len(want) {
			t.Fatalf("after %d events the jobs are %v; want %v", i+1, got, want)
		}
		if n := h.jobs.counts.states[wire.Transferring]; n != len(order) {
			t.Fatalf("%d jobs are counted; want %d", n, len(order))
		}
	}
}

// TestJobsAfter compares what comes after an ID with a sorted list, while jobs come
// and go.
func TestJobsAfter(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	h := withDefaults(Limits{Jobs: 300})
	random := func() (id uuid.UUID) {
		id[0], id[1], id[15] = byte(1+r.IntN(3)*100), byte(r.IntN(3)), byte(r.IntN(256)) // often the same first byte
		return id
	}
	var held []*event // that a caller of after has
	var seqs []uint64
	for range 3000 {
		publishMore(t, h, random(), 1)
		for i, e := range held {
			if e.seq != seqs[i] {
				t.Fatalf("event %d became %d in the hands of a caller", seqs[i], e.seq)
			}
		}
		var ids []uuid.UUID
		for id := range h.jobs.byID {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, compareIDs)
		after, n := random(), r.IntN(20)
		first, found := slices.BinarySearchFunc(ids, after, compareIDs)
		if found {
			first++
		}
		want := ids[first:min(first+n, len(ids))]
		got := h.jobs.after(after, n)
		if len(got) != len(want) || cap(got) > n {
			t.Fatalf("%d jobs after %v; want %d", len(got), after, len(want))
		}
		held, seqs = got, nil
		for i, e := range got {
			seqs = append(seqs, e.seq)
			if e.def.JobID() != want[i] || e != h.jobs.byID[want[i]].Value.(*jobState).last {
				t.Fatalf("job %d after %v is %v; want %v", i, after, e.def.JobID(), want[i])
			}
		}
	}
	if h.jobs.order.Len() != 300 {
		t.Errorf("%d jobs", h.jobs.order.Len())
	}
}
