package momclient

import (
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// live returns a client's live session, without a connection.
func live(opts Options) *session {
	c := New("server", opts)
	s := &session{c: c, budget: newCallBudget(time.Second)}
	c.inbox.attach(s)
	return s
}

// TestTakeBatch takes batches that are in order, and refuses all others.
func TestTakeBatch(t *testing.T) {
	types := protocol.NewEventEncoder().Types()
	ok := protocol.Batch{Next: 5, Count: 2, Events: []byte("encoded"), Types: types}
	for name, test := range map[string]struct {
		change func(*protocol.Batch)
		refuse bool
	}{
		"as it is":                 {func(*protocol.Batch) {}, false},
		"a heartbeat":              {func(b *protocol.Batch) { b.Count, b.Events = 0, nil }, false},
		"a snapshot":               {func(b *protocol.Batch) { b.Snapshot = 2 }, false},
		"where the session stands": {func(b *protocol.Batch) { b.Next = 3 }, false},
		"going back":               {func(b *protocol.Batch) { b.Next = 2 }, true},
		"half a snapshot":          {func(b *protocol.Batch) { b.Snapshot = 1 }, true},
		"more than a snapshot":     {func(b *protocol.Batch) { b.Snapshot = 3 }, true},
		"events that do not count": {func(b *protocol.Batch) { b.Count = 0 }, true},
		"without types":            {func(b *protocol.Batch) { b.Types = nil }, true},
		"no types and no events":   {func(b *protocol.Batch) { b.Types, b.Count, b.Events = nil, 0, nil }, true},
		"as many as the credit":    {func(b *protocol.Batch) { b.Count = 4096 }, false},
		"more than the credit":     {func(b *protocol.Batch) { b.Count = 4097 }, true},
		"more than an int":         {func(b *protocol.Batch) { b.Count = math.MaxInt32 + 1 }, true},
	} {
		s := live(Options{})
		s.next = 3
		b := ok
		test.change(&b)
		_, err := s.take(&b)
		if test.refuse != errors.Is(err, wire.ProtocolError) || !test.refuse && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := map[bool]uint64{true: 3, false: b.Next}[test.refuse]; s.next != want {
			t.Errorf("%s: the session stands at %d; want %d", name, s.next, want)
		}
	}
	s := live(Options{})
	first := protocol.Batch{Types: types, Count: 1, Events: []byte("encoded")}
	if _, err := s.take(&first); !errors.Is(err, wire.ProtocolError) {
		t.Errorf("Next of 0: %v", err)
	}
	s, first.Next = live(Options{}), 1
	for _, want := range []error{nil, wire.ProtocolError} { // the second has types again
		if _, err := s.take(&first); !errors.Is(err, want) {
			t.Errorf("%v; want %v", err, want)
		}
	}
}

// TestTakeManyEvents: a batch of more events than an int of 32 bits holds is
// refused with an error that names the number, and a batch of one event fewer
// is refused for lack of room.
func TestTakeManyEvents(t *testing.T) {
	for count, says := range map[uint32]string{math.MaxInt32 + 1: "a batch of 2147483648 events", math.MaxInt32: "(Options.Queue)"} {
		_, err := live(Options{}).take(&protocol.Batch{Next: 1, Count: count, Events: []byte("encoded"), Types: protocol.NewEventEncoder().Types()})
		if !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), says) {
			t.Errorf("%d events: %v", count, err)
		}
	}
}

// TestTakeBytes takes events as long as a byte of Options.QueueBytes is left,
// and refuses further ones.
func TestTakeBytes(t *testing.T) {
	s := live(Options{QueueBytes: 1000, MaxMessage: 2000})
	b := protocol.Batch{Next: 2, Count: 1, Types: protocol.NewEventEncoder().Types()}
	for i, want := range []error{nil, nil, wire.ProtocolError} {
		b.Next, b.Events = uint64(i+2), make([]byte, 999+i)
		if _, err := s.take(&b); !errors.Is(err, want) {
			t.Errorf("batch %d: %v; want %v", i+1, err, want)
		}
		b.Types = nil
	}
}

// TestNotify acknowledges a batch that is taken, and records the credit that it
// announces. A batch that cannot be taken is not acknowledged, and ends the
// connection with the reason.
func TestNotify(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	s := live(Options{Queue: 10})
	s.callbackConn = duplex.NewConn(near, s.c.connConfig(0))
	var ack protocol.Ack
	b := protocol.Batch{Next: 2, Count: 1, Events: []byte("encoded"), Types: protocol.NewEventEncoder().Types()}
	if err := (&callback{s}).Notify(&b, &ack); err != nil || ack.Events != 10 || s.advertised != ack.Credit() {
		t.Errorf("%+v, %v; the session has %+v as announced", ack, err, s.advertised)
	}
	ack = protocol.Ack{}
	if err := (&callback{s}).Notify(&b, &ack); err == nil || ack != (protocol.Ack{}) { // the types come again
		t.Errorf("the second: %+v, %v", ack, err)
	}
	if err := s.callbackConn.Err(); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "types of its events again") {
		t.Errorf("the connection ended with %v", err)
	}
}

// TestCallServed counts every call but those that bring events, and ends the
// connection with its own reason.
func TestCallServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		s := live(Options{})
		s.callbackConn = duplex.NewConn(near, s.c.connConfig(0))
		k, types := &callback{s}, protocol.NewEventEncoder().Types()
		events := protocol.Batch{Next: 1, Count: 1, Types: types, Events: []byte("encoded")}
		empty := protocol.Batch{Next: 1}
		calls := []func(){
			func() { k.Goodbye(&protocol.Goodbye{Code: wire.Draining}, nil) },
			func() { k.Notify(&empty, new(protocol.Ack)) },
			func() { k.Notify(&protocol.Batch{Next: 1, Missed: 1}, new(protocol.Ack)) },
			func() {}, // of no method
		}
		for range 10 {
			k.Notify(&events, new(protocol.Ack))
			events.Types = nil
			s.callServed()
		}
		for n := range budgetAtOnce {
			calls[n%len(calls)]()
			s.callServed()
		}
		if err := s.callbackConn.Err(); err != nil {
			t.Fatalf("within: %v", err)
		}
		k.Notify(&events, new(protocol.Ack))
		s.callServed()
		for range 2 {
			s.callServed()
		}
		if err := s.callbackConn.Err(); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "too many calls without an event") || s.goodbye != nil {
			t.Errorf("over: %v, %v", err, s.goodbye)
		}
		s.callbackConn.Close(nil)
		go s.callbackConn.Serve("", nil)
		s.callbackConn.Wait()
	})
}

// TestHeldAnswers holds an answer back while batches come close together, up to
// each of its bounds.
func TestHeldAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := func(opts Options) *session {
			s := live(opts)
			s.reply.Window, s.reply.WindowBytes = 1000, 1<<20
			s.accepted.Store(true)
			time.Sleep(time.Hour)
			return s
		}
		// heldUntil returns which of the batches is the first to be answered at once.
		heldUntil := func(s *session, b protocol.Batch, gap time.Duration, each uint64) int {
			credit := protocol.Credit{Events: uint64(s.c.opts.Queue)}
			if s.delaysAck(&b, credit) {
				t.Error("the first batch after a pause is held back")
			}
			for n := 1; n < 100; n++ {
				time.Sleep(gap)
				credit.Events += each
				if !s.delaysAck(&b, credit) {
					return n
				}
			}
			return 100
		}
		one := protocol.Batch{Count: 1, Events: make([]byte, 100)}
		for name, test := range map[string]struct {
			session func() *session
			batch   protocol.Batch
			gap     time.Duration
			each    uint64 // events for which each answer gives credit
			want    int
		}{
			"batches":          {func() *session { return ready(Options{}) }, one, ackDelay - 1, 1, maxDelayed},
			"far apart":        {func() *session { return ready(Options{}) }, one, ackDelay, 1, 1},
			"heartbeats":       {func() *session { return ready(Options{}) }, protocol.Batch{}, 0, 1, 1},
			"bytes":            {func() *session { return ready(Options{}) }, protocol.Batch{Count: 1, Events: make([]byte, maxDelayedBytes/4)}, 0, 1, 4},
			"just too few":     {func() *session { return ready(Options{}) }, protocol.Batch{Count: 1, Events: make([]byte, (maxDelayedBytes-1)/3)}, 0, 1, 4},
			"little credit":    {func() *session { return ready(Options{Queue: 10}) }, one, 0, 0, 5},
			"a small window":   {func() *session { s := ready(Options{}); s.reply.Window = 10; return s }, one, 0, 1, 5},
			"a short window":   {func() *session { s := ready(Options{}); s.reply.WindowBytes = 2000; return s }, one, 0, 1, 5},
			"before an answer": {func() *session { s := ready(Options{}); s.accepted.Store(false); return s }, one, 0, 1, 1},
		} {
			if got := heldUntil(test.session(), test.batch, test.gap, test.each); got != test.want {
				t.Errorf("%s: batch %d is the first to be answered at once; want %d", name, got, test.want)
			}
		}
	})
}

// TestGoodbye keeps the server's words, cut to what may be shown.
func TestGoodbye(t *testing.T) {
	s := live(Options{})
	long := strings.Repeat("x", 600)
	if err := (&callback{s}).Goodbye(&protocol.Goodbye{Code: wire.Code(long), Message: long, AfterMillis: math.MaxUint32}, nil); err != nil {
		t.Fatal(err)
	}
	if got := *s.goodbye; string(got.Code) != duplex.Clip(long, 32) || got.Message != duplex.Clip(long, 512) || got.After != time.Hour {
		t.Errorf("%+v", got)
	}
	if st, ok := s.c.statuses.pop(); !ok || st.Kind != Draining || st.Err != s.goodbye {
		t.Errorf("reported was %+v", st)
	}
	(&callback{s}).Goodbye(&protocol.Goodbye{Code: wire.Draining, Message: "bye", AfterMillis: 1500}, nil)
	if st, ok := s.c.statuses.pop(); ok {
		t.Errorf("reported again: %+v", st)
	}
	if got := *s.goodbye; got.Code != wire.Draining || got.Message != "bye" || got.After != 1500*time.Millisecond {
		t.Errorf("%+v", got)
	}
}
