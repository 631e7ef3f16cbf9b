package history

import (
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
)

// FuzzGaps plays a script of publishing, reading and beginning anew, against
// plain arithmetic: what a reader is given and what it is told to have missed
// is exactly what was published, in order, but for what its filter leaves out.
func FuzzGaps(f *testing.F) {
	f.Add([]byte{5, 0xfc, 1, 0xfc, 0xfc, 1, 5, 9})
	f.Add([]byte{0, 0x7c, 0x7c, 1, 0x7c, 2, 1, 3, 1, 7, 0xff, 1})
	f.Add([]byte{40, 0xfc, 0xfc, 0xfc, 0xfc, 2, 0x41, 6, 0x81, 0xfc, 10, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 500 { // each byte is up to 63 events: more costs what it must
			return
		}
		attack.Bounded(t, 64*len(script), func() { playGaps(t, int(script[0])%41+1, script[1:]) })
	})
}

func playGaps(t *testing.T, cached int, script []byte) {
	h := withDefaults(Limits{Events: cached})
	jobs := []uuid.UUID{{1}, {2}, {3}}
	var published []uuid.UUID // the job of event 1 and so on
	r := NewReader(&wire.Filter{Jobs: jobs[:2]}, NewJobSet(jobs[1:], nil))
	wanted := jobs[1]
	at, err := h.Begin(wire.FromOldest, wire.Cursor{}, false)
	if err != nil {
		t.Fatal(err)
	}
	dec, missed := protocol.NewEventDecoder(h.types), at.Missed
	for _, op := range script {
		head := uint64(len(published))
		oldest := max(1, int64(head)-int64(cached)+1)
		arg := int(op >> 2)
		switch op % 4 {
		case 0: // publish
			for i := range arg {
				job := jobs[(arg+i)%len(jobs)]
				ev := wire.Event{JobID: job, RunID: job, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}
				if err := h.Publish(&ev, 0, false); err != nil {
					t.Fatal(err)
				}
				published = append(published, job)
			}
			continue
		case 1: // read
		case 2: // begin at a place that was got to, or before
			seq := head - min(head, uint64(arg))
			before := seq + 1
			if at, err = h.Begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: seq}, op>>7 == 1); err != nil {
				t.Fatal(err)
			}
			r.sent, dec, missed = protocol.SentDefs{}, protocol.NewEventDecoder(h.types), at.Missed
			if at.Next != before+at.Missed {
				t.Fatalf("begun at %d, %d missed: next is %d", before, at.Missed, at.Next)
			}
			if op>>7 == 0 && at.Missed != uint64(max(0, oldest-int64(before))) {
				t.Fatalf("begun at %d: %d missed; the oldest is %d", before, at.Missed, oldest)
			}
			at.Missed = 0
			continue
		case 3: // begin now
			at, _ = h.Begin(wire.FromNow, wire.Cursor{}, false)
			r.sent, dec, missed = protocol.SentDefs{}, protocol.NewEventDecoder(h.types), 0
			if at.Next != head+1 || at.Missed != 0 {
				t.Fatalf("begun now, after %d: next is %d, %d missed", head, at.Next, at.Missed)
			}
			continue
		}
		before := at.Next
		data, n := h.Read(&at, &r, portionOf(arg%9+1, 200), nil)
		gap := at.Missed
		missed, at.Missed = missed+gap, 0
		if want := uint64(max(0, oldest-int64(before))); gap != want && !(gap == 0 && n > 0) {
			t.Fatalf("read at %d: %d missed; want %d", before, gap, want)
		}
		next := before + gap
		dec.Open(data, n)
		for range n {
			var ev wire.Event
			if _, err := dec.Next(&ev); err != nil {
				t.Fatal(err)
			}
			for next < ev.Seq { // what lies between was not wanted
				if published[next-1] == wanted {
					t.Fatalf("event %d was left out without a word", next)
				}
				next++
			}
			if ev.Seq != next || ev.JobID != wanted {
				t.Fatalf("event %d of %v; want %d", ev.Seq, ev.JobID, next)
			}
			next++
		}
		for ; next < at.Next; next++ {
			if published[next-1] == wanted {
				t.Fatalf("event %d was passed over", next)
			}
		}
		if next != at.Next || at.Next > head+1 {
			t.Fatalf("the place is %d after event %d, of %d", at.Next, next-1, head)
		}
	}
}
