package momclient

import (
	"testing"

	"mom.internal/wire"
)

// TestGathering: events before a snapshot are a batch of their own, whose cursor is
// before the snapshot; the snapshot comes whole, with its gap.
func TestGathering(t *testing.T) {
	in := newTestInbox(t, 1000, 1<<20)
	in.activate(in.byLoop)
	in.receives(1, 3, 0)
	ch := in.chunk(4, 6)
	ch.snapshot, ch.end, ch.after = true, 20, position{cursor: wire.Cursor{Epoch: in.session.epoch, Seq: 19}}
	if _, err := in.push(in.session, ch, 16); err != nil {
		t.Fatal(err)
	}
	in.receives(20, 21, 0)
	g := gathering{c: &Client{inbox: in.inbox, opts: Options{ResultBytes: 1 << 20}}, sub: &subscription{consumer: in.byLoop}, most: 2}
	for _, want := range []struct {
		first, last, cursor, missed uint64
		more                        bool
	}{{1, 2, 2, 0, true}, {3, 3, 3, 0, true}, {4, 6, 19, 16, true}, {20, 21, 21, 0, false}} {
		for {
			b, whole := g.batch(g.take())
			if !whole {
				continue
			}
			n := len(b.Events)
			if b.Events[0].Seq != want.first || b.Events[n-1].Seq != want.last || b.Cursor.Seq != want.cursor || b.Events[0].Missed != want.missed || b.More != want.more {
				t.Errorf("%d to %d, cursor %v, missed %d, more %v; want %+v", b.Events[0].Seq, b.Events[n-1].Seq, b.Cursor, b.Events[0].Missed, b.More, want)
			}
			in.done(g.last)
			g.events, g.size = nil, eventSize{}
			in.isAt(want.cursor)
			break
		}
	}
}
