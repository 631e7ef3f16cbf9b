package momclient_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/harness"
)

// memory_test.go holds what README and THREATS.md say that a server can make a
// client hold, by servers that try to exceed it.

// smallBounds are bounds that are small enough for a test to reach.
var smallBounds = momclient.Options{
	Queue: 1000, QueueBytes: 4 << 20, MaxMessage: 1 << 20, ResultBytes: 8 << 20, AutoReconnect: true,
}

// The parts of the sum, as README has them.
func queueHolds(o momclient.Options) int      { return 2*(o.QueueBytes+o.MaxMessage) + o.Queue*512 }
func connectionHolds(o momclient.Options) int { return 3*o.MaxMessage + 96<<20 }
func loopHolds(o momclient.Options) int       { return 3*o.MaxMessage + 8<<20 }

// heap returns the bytes of heap that are in use.
func heap() int {
	var m runtime.MemStats
	for range 3 { // for pools, and for what has a cleanup
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// within fails the test if more bytes are held than most.
func within(t *testing.T, what string, held, most int) {
	t.Helper()
	t.Logf("%s: %.1f MiB, at most %.1f MiB", what, float64(held)/(1<<20), float64(most)/(1<<20))
	if held > most {
		t.Errorf("%s: %d bytes are held; at most %d", what, held, most)
	}
}

// greeted greets a client and returns its first call.
func greeted(nc net.Conn) string {
	var head [5]byte
	if _, err := protocol.ReadHello(nc); err != nil {
		return ""
	}
	protocol.Accept(nc, protocol.Welcome{Epoch: uuid.UUID{1}, Heartbeat: protocol.MaxHeartbeat, MaxMessage: 1 << 16})
	io.ReadFull(nc, head[:])
	call := make([]byte, binary.BigEndian.Uint32(head[1:]))
	io.ReadFull(nc, call)
	return string(call)
}

// drain writes what a server has to say, and reads until the client closes.
func drain(nc net.Conn, say ...[]byte) {
	go func() {
		for _, part := range say {
			nc.Write(part)
		}
	}()
	io.Copy(io.Discard, nc)
	nc.Close()
}

// eventBytes returns the event seq in bytes, with what it needs before it.
func eventBytes(t *testing.T, enc *protocol.EventEncoder, seq uint64, log int) []byte {
	t.Helper()
	id := uuid.UUID{1, byte(seq >> 8), byte(seq)}
	def, data, err := enc.Encode(&wire.Event{Seq: seq, JobID: id, RunID: id, Data: wire.TransferData{
		Initialize: &wire.InitializeData{Name: fmt.Sprint(seq)}, Status: wire.Status{Log: make([]wire.LogEntry, log)},
	}}, new(protocol.RunDefs), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return append(new(protocol.SentDefs).Append(nil, def), data...)
}

// fillQueue returns calls that fill the queue behind a handler that has taken the
// first event: each batch stands in memory that is twice as long, because a longer
// call of no method has come before it.
func fillQueue(t *testing.T, o momclient.Options) (say [][]byte) {
	enc := protocol.NewEventEncoder()
	say = append(say, notify(batch{Next: 2, Count: 1, Types: enc.Types(), Events: eventBytes(t, enc, 1, 0)}))
	long := attack.Frame(1, attack.NextCall("Callback.Nothing", &batch{Events: make([]byte, o.MaxMessage-100)}))
	half := attack.Frame(1, attack.NextCall("Callback.Notify", &batch{Next: 2, Count: 1, Events: make([]byte, o.MaxMessage/2+1000)}))
	tiny := attack.Frame(1, attack.NextCall("Callback.Notify", &batch{Next: 2, Count: 1, Events: []byte{0}}))
	n := (o.QueueBytes - 10<<10) / (o.MaxMessage/2 + 1000)
	for range o.Queue - n - 3 {
		say = append(say, tiny)
	}
	for range n {
		say = append(say, long, half)
	}
	whole := attack.Frame(1, attack.NextCall("Callback.Notify", &batch{Next: 2, Count: 1, Events: make([]byte, o.MaxMessage-100)}))
	return append(say, whole)
}

// amplifiedPages returns how a server answers calls of History: with pages of small events
// that have as many empty log entries as there may be, without end.
func amplifiedPages(t *testing.T, o momclient.Options) func(nc net.Conn) {
	type response struct {
		ServiceMethod string
		Seq           uint64
		Error         string
	}
	var frames [][]byte
	for first := uint64(1); len(frames) < 10; {
		enc := protocol.NewEventEncoder()
		page := protocol.Page{Epoch: uuid.UUID{1}, Types: enc.Types(), More: true}
		for len(page.Events) < o.MaxMessage-4<<10 {
			page.Events = append(page.Events, eventBytes(t, enc, first, wire.MaxLogEntries)...)
			first++
			page.Count++
		}
		page.Next = first
		payload := attack.Encode(&response{Seq: uint64(len(frames))}, &page)
		if len(frames) > 0 {
			payload = attack.WithoutDefinitions(payload)
		}
		frames = append(frames, attack.Frame(2, payload))
	}
	return func(nc net.Conn) {
		for _, frame := range frames {
			nc.Write(frame)
			var head [5]byte
			if _, err := io.ReadFull(nc, head[:]); err != nil {
				break
			}
			io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(head[1:])))
		}
		nc.Close()
	}
}

// TestWhatAClientHolds has a server fill everything of one client at the same time:
// its queue, behind a handler that does not return, what History returns, and a loop
// of HistorySeq that stands within a page.
func TestWhatAClientHolds(t *testing.T) {
	o := smallBounds
	harness.Bubble(t, func(s *harness.Server) {
		full, pages := fillQueue(t, o), amplifiedPages(t, o)
		s.Play(func(nc net.Conn) {
			if strings.Contains(greeted(nc), "Subscribe") {
				drain(nc, full...)
			} else {
				pages(nc)
			}
		})
		before := heap()
		o.DialContext = s.Net.DialContext
		c := momclient.New(harness.MemAddr, o)
		handling := make(chan bool)
		c.OnEvent(func(wire.Event) { <-handling })
		lost := make(chan error, 1)
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Lost {
				lost <- st.Err
			}
		})
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case err := <-lost:
			t.Fatalf("the queue was not filled: %v", err)
		default:
		}
		queue := heap() - before
		within(t, "the queue and its connection", queue, queueHolds(o)+connectionHolds(o))
		if queue < o.QueueBytes*3/2 {
			t.Errorf("the queue holds %d bytes only", queue)
		}
		events, _, err := c.History(context.Background(), wire.Cursor{}, 0)
		if !hit(err, wire.TooLarge, "ResultBytes") {
			t.Errorf("History: %d events, %v", len(events), err)
		}
		result := heap() - before - queue
		within(t, "what History returned", result, o.ResultBytes)
		if result < o.ResultBytes*3/4 {
			t.Errorf("History returned %d bytes only", result)
		}
		turns, most := 0, 0
		for _, err := range c.HistorySeq(context.Background(), wire.Cursor{}) {
			if err != nil {
				break
			}
			if turns++; turns%1003 == 0 {
				most = max(most, heap()-before)
			}
		}
		within(t, "everything", most, queueHolds(o)+o.ResultBytes+connectionHolds(o)+loopHolds(o))
		if turns < 5_000 {
			t.Errorf("%d turns", turns)
		}
		runtime.KeepAlive(events)
		close(handling)
		c.Close()
		time.Sleep(time.Minute)
	})
}

// TestBatchHolds: a Batch has no more than ResultBytes, whatever its events are.
func TestBatchHolds(t *testing.T) {
	o := smallBounds
	o.Queue, o.QueueBytes, o.ResultBytes = 1<<20, 64<<20, 2<<20
	for name, log := range map[string]int{"log entries": wire.MaxLogEntries, "definitions": 0} {
		for _, snapshot := range []bool{false, true} {
			harness.Bubble(t, func(s *harness.Server) {
				enc := protocol.NewEventEncoder()
				b := batch{Types: enc.Types(), Pending: 1}
				var say []byte
				for seq := uint64(1); len(say) < 4<<20; seq++ {
					b.Events = append(b.Events, eventBytes(t, enc, seq, log)...)
					if b.Count++; len(b.Events) < o.MaxMessage-4<<10 {
						continue
					}
					if b.Next = seq + 1; snapshot {
						b.Next, b.Snapshot = 1<<20, b.Count
					}
					if say == nil {
						say = notify(b)
					} else {
						say = append(say, attack.Frame(1, attack.NextCall("Callback.Notify", &b))...)
					}
					b = batch{Pending: 1}
				}
				s.Play(func(nc net.Conn) {
					greeted(nc)
					drain(nc, say)
				})
				before := heap()
				o.DialContext = s.Net.DialContext
				c := momclient.New(harness.MemAddr, o)
				for b, err := range c.Batches(context.Background(), 1<<20) {
					if err != nil {
						t.Fatal(err)
					}
					within(t, fmt.Sprintf("%s, snapshot %v, %d events", name, snapshot, len(b.Events)), heap()-before, o.ResultBytes+len(say)*2+connectionHolds(o))
					break
				}
				runtime.KeepAlive(say)
				c.Close()
				time.Sleep(time.Minute)
			})
		}
	}
}

// manyTypes returns the types of events, followed by as many definitions of other
// types as a stream may have.
func manyTypes(t *testing.T) []byte {
	var values []any
	for i := range 100 {
		var fields []reflect.StructField
		for n := range 18 {
			fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%dX%d", i, n), Type: reflect.TypeFor[int]()})
		}
		values = append(values, reflect.New(reflect.StructOf(fields)).Interface())
	}
	types := protocol.NewEventEncoder().Types()
	for stream := attack.Encode(values...); len(stream) > 0; {
		size, n := attack.Number(stream)
		if id, _ := attack.Number(stream[n:]); id&1 != 0 && len(types)+n+int(size) < 32<<10 {
			types = append(types, stream[:n+int(size)]...)
		}
		stream = stream[n+int(size):]
	}
	return types
}

// TestEndedSessionsHold: a server that sends an event and disconnects, again and
// again, makes a client whose handler does not return hold the types of a few
// connections, and nothing else of them.
func TestEndedSessionsHold(t *testing.T) {
	o := smallBounds
	harness.Bubble(t, func(s *harness.Server) {
		enc, types, sessions := protocol.NewEventEncoder(), manyTypes(t), 0
		first := eventBytes(t, enc, 1, 0)
		s.Play(func(nc net.Conn) {
			greeted(nc)
			sessions++
			events := []byte{0}
			if sessions == 1 {
				events = first
			}
			nc.Write(notify(batch{Next: uint64(sessions) + 1, Count: 1, Types: types, Events: events}))
			time.Sleep(time.Second)
			nc.Close()
		})
		before := heap()
		o.DialContext = s.Net.DialContext
		c := momclient.New(harness.MemAddr, o)
		handling := make(chan bool)
		c.OnEvent(func(wire.Event) { <-handling })
		c.Subscribe(context.Background())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		within(t, fmt.Sprintf("%d sessions", sessions), heap()-before, connectionHolds(o))
		go func() {
			for range handling { // let it go on
			}
		}()
		c.Close()
		close(handling)
		time.Sleep(time.Minute)
	})
}
