package momclient_test

import (
	"net/rpc"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// batcher is a server by the protocol, up to the batches that it sends.
type batcher struct {
	conn    *duplex.Conn
	enc     *protocol.EventEncoder
	asked   []protocol.SubscribeArgs // over all connections
	batches func(l *batcher, subscription int)
}

// Subscribe is what the client calls.
func (l *batcher) Subscribe(args *protocol.SubscribeArgs, reply *protocol.Subscribed) error {
	l.asked = append(l.asked, *args)
	n := len(l.asked)
	go l.batches(l, n)
	return nil
}

// Unsubscribe is what the client calls at the end.
func (l *batcher) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error { return nil }

// send sends the events from first to last as a batch; spoil may damage it. It
// returns the answer, where that has come.
func (l *batcher) send(first, last uint64, spoil func(*protocol.Batch)) *protocol.Ack {
	var known protocol.SentDefs
	run := uuid.New()
	b := &protocol.Batch{Next: last + 1, Count: uint32(last - first + 1)}
	if first == l.asked[len(l.asked)-1].Cursor.Seq+1 {
		b.Types = l.enc.Types()
	}
	for seq := first; seq <= last; seq++ {
		ev := wire.Event{Seq: seq, JobID: run, RunID: run, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}
		def, data, err := l.enc.Encode(&ev, new(protocol.RunDefs), 1<<20)
		if err != nil {
			panic(err)
		}
		b.Events = append(known.Append(b.Events, def), data...)
	}
	if spoil != nil {
		spoil(b)
	}
	ack := new(protocol.Ack)
	l.conn.Client().Go(protocol.MethodNotify, b, ack, make(chan *rpc.Call, 1))
	synctest.Wait()
	return ack
}

// newBatcher has the test play a server that sends batches. batches is called
// for each subscription, with its number.
func newBatcher(s *harness.Server, batches func(l *batcher, subscription int)) *batcher {
	l := &batcher{enc: protocol.NewEventEncoder(), batches: batches}
	s.PlayService(func(conn *duplex.Conn) any { l.conn = conn; return l })
	return l
}

// TestBadBatch gives the handler what came before, ends the connection, and
// asks again for all after that; nothing of the bad batch moves the cursor.
func TestBadBatch(t *testing.T) {
	for name, spoil := range map[string]func(*protocol.Batch){
		"damaged events":      func(b *protocol.Batch) { b.Events = b.Events[:len(b.Events)-1] },
		"an event too few":    func(b *protocol.Batch) { b.Count++ },
		"an event too many":   func(b *protocol.Batch) { b.Count-- },
		"events out of order": func(b *protocol.Batch) { b.Next -= 2 },
		"going back":          func(b *protocol.Batch) { b.Next = 2 },
		"no events":           func(b *protocol.Batch) { b.Events = nil },
		"half a snapshot":     func(b *protocol.Batch) { b.Snapshot = 1 },
		"more than the room":  func(b *protocol.Batch) { b.Count = 1 << 30 },
	} {
		harness.Bubble(t, func(s *harness.Server) {
			l := newBatcher(s, func(l *batcher, subscription int) {
				if subscription == 1 {
					l.send(1, 3, nil)
					l.send(4, 6, spoil)
					return
				}
				after := l.asked[subscription-1].Cursor.Seq
				l.send(after+1, 8, nil)
			})
			c := s.Client(momclient.Options{AutoReconnect: true, From: wire.FromOldest})
			c.MustSubscribe()
			time.Sleep(time.Minute)
			synctest.Wait()
			c.WantTold(invariant.Told{Fresh: 8, Last: 8})
			if got := c.Statuses(); got != "connecting connected lost reconnecting connecting resumed(0,0,false)" {
				t.Errorf("%s: statuses %s", name, got)
			}
			if again := l.asked[len(l.asked)-1]; len(l.asked) != 2 || again.From != wire.FromCursor || again.Cursor.Epoch != uuid.NameSpaceOID || again.Cursor.Seq < 3 || again.Cursor.Seq > 6 {
				t.Errorf("%s: asked for %d times, at last from %v", name, len(l.asked), again.Cursor)
			}
			c.Close()
		})
	}
}
