package wire

import (
	"reflect"
	"testing"

	"github.com/google/uuid"
)

// TestDefinitionsForgotten interleaves more runs and packages than a receiver
// keeps definitions of: both ends forget the same, so every event comes through
// whole, and a definition is sent again only after it was forgotten.
func TestDefinitionsForgotten(t *testing.T) {
	rng := seeded(t)
	const runs, packages = maxDefinitions * 2 / 3, 3
	type stream struct {
		common Common
		event  Event
	}
	streams := make([]*stream, runs)
	for i := range streams {
		streams[i] = &stream{event: Event{JobID: uuid.New(), RunID: uuid.New(), Data: TransferData{
			Initialize: &InitializeData{Name: string(rune('a' + i%26)), Bytes: int64(i)},
		}}}
	}
	enc, known := NewEventEncoder(), new(Known)
	dec := NewEventDecoder(enc.Types())
	definitions := 0
	for seq := uint64(1); seq <= 6000; seq++ {
		// Most come from a few runs, so that some definitions are kept, and
		// some not.
		s := streams[rng.IntN(runs)]
		if rng.IntN(3) > 0 {
			s = streams[rng.IntN(20)]
		}
		ev := s.event
		ev.Seq = seq
		ev.Data.Status.State = Transferring
		if p := rng.IntN(packages + 1); p > 0 {
			ev.Data.Header = &PackageHeader{Number: p, FileSize: 9, SizeOfSentData: rng.Int64N(9)}
			ev.Data.Body = &PackageBody{Files: p, Item: "item"}
		}
		def, record, err := enc.Encode(&ev, &s.common, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		data := known.Append(nil, def)
		if len(data) > 0 {
			definitions++
		}
		got := decoded(t, dec, append(data, record...), 1)
		if len(got) != 1 || !reflect.DeepEqual(got[0], ev) {
			t.Fatalf("event %d came through as %+v; want %+v", seq, got, ev)
		}
	}
	if definitions < maxDefinitions || definitions > 5000 {
		t.Errorf("definitions before %d of 6000 events: the test does not test what it is for", definitions)
	}
	if len(known.told.values) != maxDefinitions || len(dec.defs.values) != maxDefinitions {
		t.Errorf("%d and %d definitions kept; want %d", len(known.told.values), len(dec.defs.values), maxDefinitions)
	}
}
