package momserver

import (
	"fmt"
	"math/rand/v2"
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
	h := newHistory(&Config{CacheEvents: 100, CacheBytes: 1 << 20, MaxEventBytes: 1 << 16, MaxRuns: 100, MaxJobs: 100})
	for i := range 20 {
		ev := spoken(uuid.UUID{byte(i)}, wire.Transferring)
		ev.JobID = uuid.UUID{byte(i % 5)}
		ev.Data.Initialize = &wire.InitializeData{Name: names[i%4]}
		if err := h.publish(&ev, 0, false); err != nil {
			t.Fatal(err)
		}
	}
	for range 2000 {
		var f wire.Filter
		f.Jobs, f.Names = some()
		for range rnd.IntN(3) {
			f.States = append(f.States, wire.States()[rnd.IntN(9)])
		}
		f.Severity = wire.Severity(rnd.IntN(4))
		grant := Grant{AllJobs: rnd.IntN(2) == 0}
		grant.Jobs, grant.Names = some()
		r := newReader(&f, grant.visible())
		if all := f.IsZero() && grant.AllJobs; r.takesAll() != all {
			t.Fatalf("%+v, %+v takes all: %v", f, grant, r.takesAll())
		}
		for seq := range h.headSeq() {
			e := h.cache.at(seq + 1)
			id, name := e.def.JobID(), e.def.Name()
			only := wire.Filter{Jobs: grant.Jobs, Names: grant.Names}
			sees := grant.AllJobs || len(only.Jobs)+len(only.Names) > 0 && only.Match(id, name, 1, 0) && (name != "" || (&wire.Filter{Jobs: append(grant.Jobs, uuid.UUID{99})}).Match(id, name, 1, 0))
			state, severity := wire.States()[rnd.IntN(9)], wire.Severity(rnd.IntN(4))
			if want := sees && f.Match(id, name, state, severity); r.takes(e.def, state, severity) != want {
				t.Fatalf("%+v, %+v: %v, %q, %v, %v: %v; want %v", f, grant, id, name, state, severity, !want, want)
			}
		}
	}
}

// TestReadSnapshot reads what the reader takes, up to the bounds, and removes
// what it looked at.
func TestReadSnapshot(t *testing.T) {
	cfg := Config{}.withDefaults()
	h := newHistory(&cfg)
	for i := range 6 {
		publishMore(t, h, uuid.UUID{byte(i + 1)}, 1)
	}
	few := newReader(&wire.Filter{Jobs: []uuid.UUID{{2}, {3}, {5}}}, nil)
	for _, tc := range []struct {
		reader reader
		most   portion
		seqs   string
		left   int
	}{
		{reader{}, portion{looks: 9, events: 9, bytes: 1 << 20}, "[1 2 3 4 5 6]", 0},
		{reader{}, portion{looks: 2, events: 9, bytes: 1 << 20}, "[1 2]", 4},
		{reader{}, portion{looks: 9, events: 3, bytes: 1 << 20}, "[1 2 3]", 3},
		{reader{}, portion{looks: 9, events: 9}, "[1]", 5},
		{few, portion{looks: 9, events: 9, bytes: 1 << 20}, "[2 3 5]", 0},
		{few, portion{looks: 3, events: 9, bytes: 1 << 20}, "[2 3]", 3},
		{few, portion{looks: 9, events: 9}, "[2]", 4},
		{few, portion{looks: 1, events: 9, bytes: 1 << 20}, "[]", 5},
	} {
		at, _ := h.begin(wire.FromNow, wire.Cursor{}, false)
		data, n := at.readSnapshot(&tc.reader, tc.most, nil)
		seqs := []uint64{}
		if err := protocol.NewEventDecoder(h.types).Decode(data, n, func(e *wire.Event) { seqs = append(seqs, e.Seq) }); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(seqs) != tc.seqs || len(at.snapshot) != tc.left {
			t.Errorf("%+v: %v, %d left; want %s, %d", tc.most, seqs, len(at.snapshot), tc.seqs, tc.left)
		}
	}
}
