package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// TestReaderTakes compares a reader with the filter that it was made of, and
// with the jobs that it may see.
func TestReaderTakes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	names := []string{"", "a", "b", "c"}
	some := func() (ids []uuid.UUID, some []string) {
		for range rnd.IntN(4) {
			ids = append(ids, uuid.UUID{byte(rnd.IntN(5))})
		}
		for range rnd.IntN(3) {
			some = append(some, names[rnd.IntN(len(names))])
		}
		return ids, some
	}
	h := withDefaults(Limits{Events: 100, Bytes: 1 << 20, EventBytes: 1 << 16, Runs: 100, Jobs: 100})
	for i := range 20 {
		ev := spoken(uuid.UUID{byte(i)}, wire.Transferring)
		ev.JobID = uuid.UUID{byte(i % 5)}
		ev.Data.Initialize = &wire.InitializeData{Name: names[i%4]}
		if err := h.Publish(&ev, 0, false); err != nil {
			t.Fatal(err)
		}
	}
	for range 2000 {
		var f wire.Filter
		f.Jobs, f.Names = some()
		for range rnd.IntN(3) {
			f.States = append(f.States, wire.States()[rnd.IntN(9)])
		}
		for range rnd.IntN(3) {
			f.Outcomes = append(f.Outcomes, wire.Outcomes()[rnd.IntN(4)])
		}
		f.Severity = wire.Severity(rnd.IntN(4))
		all := rnd.IntN(2) == 0
		ids, some := some()
		only, sees := wire.Filter{Jobs: append(ids, uuid.UUID{99}), Names: some}, (*JobSet)(nil)
		if !all {
			sees = NewJobSet(slices.Clone(ids), slices.Clone(some))
		}
		kept := f
		kept.Jobs, kept.Names = slices.Clone(f.Jobs), slices.Clone(f.Names)
		r := NewReader(&kept, sees)
		if r.TakesAll() != (f.IsZero() && all) {
			t.Fatalf("%+v, of %+v: takes all: %v", f, only, r.TakesAll())
		}
		for seq := range h.Head() {
			e := h.cache.at(seq + 1)
			id, name := e.def.JobID(), e.def.Name()
			visible := all || only.Match(id, name, 1, 0, 0)
			c := Class{wire.States()[rnd.IntN(9)], wire.Severity(rnd.IntN(4)), wire.Outcome(rnd.IntN(5))}
			if want := visible && f.Match(id, name, c.State, c.Severity, c.Outcome); r.Takes(e.def, c) != want {
				t.Fatalf("%+v, of %+v: %v, %q, %+v: %v; want %v", f, only, id, name, c, !want, want)
			}
		}
	}
}

// TestReadSnapshot reads what the reader takes, up to the bounds, and removes
// what it looked at.
func TestReadSnapshot(t *testing.T) {
	h := withDefaults(Limits{})
	for i := range 6 {
		publishMore(t, h, uuid.UUID{byte(i + 1)}, 1)
	}
	few := NewReader(&wire.Filter{Jobs: []uuid.UUID{{2}, {3}, {5}}}, nil)
	at, _ := h.Begin(wire.FromNow, wire.Cursor{}, false)
	first, _ := at.ReadSnapshot(new(Reader), Portion{Looks: 1, Events: 1}, nil)
	size := len(first) // of an event with its definition
	for _, tc := range []struct {
		reader Reader
		most   Portion
		seqs   string
		left   int
	}{
		{Reader{}, Portion{Looks: 9, Events: 9, Bytes: 1 << 20}, "[1 2 3 4 5 6]", 0},
		{Reader{}, Portion{Looks: 2, Events: 9, Bytes: 1 << 20}, "[1 2]", 4},
		{Reader{}, Portion{Looks: 9, Events: 3, Bytes: 1 << 20}, "[1 2 3]", 3},
		{Reader{}, Portion{Looks: 9, Events: 9}, "[1]", 5},
		{few, Portion{Looks: 9, Events: 9, Bytes: 1 << 20}, "[2 3 5]", 0},
		{few, Portion{Looks: 3, Events: 9, Bytes: 1 << 20}, "[2 3]", 3},
		{few, Portion{Looks: 9, Events: 9}, "[2]", 4},
		{Reader{}, Portion{Looks: 9, Events: 9, Bytes: size + size/2}, "[1 2]", 4}, // the definitions of the second go over
		{few, Portion{Looks: 1, Events: 9, Bytes: 1 << 20}, "[]", 5},
	} {
		at, _ := h.Begin(wire.FromNow, wire.Cursor{}, false)
		data, n := at.ReadSnapshot(&tc.reader, tc.most, nil)
		seqs := []uint64{}
		if err := protocol.NewEventDecoder(h.types).Decode(data, n, func(e *wire.Event) { seqs = append(seqs, e.Seq) }); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(seqs) != tc.seqs || len(at.snapshot) != tc.left {
			t.Errorf("%+v: %v, %d left; want %s, %d", tc.most, seqs, len(at.snapshot), tc.seqs, tc.left)
		}
	}
}
