package momclient

import (
	"errors"
	"testing"

	"mom.internal/wire"
)

// TestChunkOrder takes the events of a batch in the order of Seq, each once: if
// a server repeats an event, or goes back, that event is not delivered. The
// events of a snapshot are in the order of their jobs.
func TestChunkOrder(t *testing.T) {
	for _, test := range []struct {
		name     string
		seqs     []uint64
		snapshot bool
		want     int // how many are decoded before the error
	}{
		{"in order", []uint64{3, 4, 7}, false, 3},
		{"twice", []uint64{3, 3, 4}, false, 1},
		{"going back", []uint64{4, 3, 5}, false, 1},
		{"below the beginning", []uint64{2, 3, 4}, false, 0},
		{"a snapshot", []uint64{7, 1, 4}, true, 3},
		{"past the end", []uint64{3, 4, 8}, false, 2},
		{"a snapshot past the end", []uint64{7, 8, 4}, true, 1},
	} {
		in := newTestInbox(t, 10, 1<<20)
		ch := in.chunkOf(test.seqs...)
		ch.floor, ch.end, ch.snapshot = 3, 8, test.snapshot
		n := 0
		var err error
		for n < len(test.seqs) {
			var ev wire.Event
			if err = ch.decode(len(test.seqs)-n, &ev); err != nil {
				break
			}
			if ev.Seq != test.seqs[n] || ev.Snapshot != test.snapshot {
				t.Errorf("%s: %+v", test.name, ev)
			}
			n++
		}
		if n != test.want || (n < len(test.seqs)) != errors.Is(err, wire.ProtocolError) {
			t.Errorf("%s: %d events, then %v; want %d", test.name, n, err, test.want)
		}
	}
}
