//go:build unix

package duplex

import (
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

// fakeSocket takes the first room bytes of what is written to it.
type fakeSocket struct {
	syscall.RawConn
	room int
	got  strings.Builder
}

func (s *fakeSocket) Write(try func(fd uintptr) bool) error {
	try(0)
	return nil
}

// onSocket returns an outbox that writes to s directly, and without a writer.
func onSocket(s *fakeSocket, cfg ConnConfig) *outbox {
	cfg.MaxWaiting, cfg.WriteTimeout = 1000, time.Second
	out := newOutbox(new(recorder), &cfg)
	d := &direct{raw: s}
	d.try = func(uintptr) bool {
		d.n = min(len(d.buf), s.room)
		s.room -= d.n
		s.got.Write(d.buf[:d.n])
		return true
	}
	out.direct = d
	return out
}

// rung reports whether the writer has been woken since the last call.
func rung(out *outbox) bool {
	select {
	case <-out.bell:
		return true
	default:
		return false
	}
}

// TestDirectWhole: bytes that the socket takes at once leave without the
// writer, and none are left.
func TestDirectWhole(t *testing.T) {
	s := &fakeSocket{room: 1000}
	out := onSocket(s, ConnConfig{})
	for _, word := range []string{"one", "two"} {
		put(out, frameReply, word)
		if rung(out) || out.buf != nil || out.replies != 0 {
			t.Errorf("%s: %d bytes wait, %d of replies", word, len(waiting(out)), out.replies)
		}
	}
	if want := "\x02\x00\x00\x00\x03one\x02\x00\x00\x00\x03two"; s.got.String() != want {
		t.Errorf("the socket got %q; want %q", s.got.String(), want)
	}
	out.flushDelayed() // as a timer does that was stopped too late
}

// TestDirectInParts: the writer is woken for the bytes that the socket does not
// take, and until the writer takes them over, putting the next frame writes
// them.
func TestDirectInParts(t *testing.T) {
	s := &fakeSocket{room: 6}
	out := onSocket(s, ConnConfig{})
	put(out, frameReply, "one")
	if !rung(out) || string(waiting(out)) != "ne" || out.replies != 8 {
		t.Errorf("%q waits, %d bytes of replies", waiting(out), out.replies)
	}
	s.room = 4
	put(out, frameReply, "two")
	if !rung(out) || string(waiting(out)) != "\x00\x00\x03two" || out.replies != 16 {
		t.Errorf("%q waits, %d bytes of replies", waiting(out), out.replies)
	}
	s.room = 1000
	put(out, frameReply, "")
	if want := "\x02\x00\x00\x00\x03one\x02\x00\x00\x00\x03two\x02\x00\x00\x00\x00"; s.got.String() != want || out.replies != 0 {
		t.Errorf("the socket got %q; want %q", s.got.String(), want)
	}
}

// TestDirectBesideTheWriter: while the writer is writing, no other goroutine
// writes.
func TestDirectBesideTheWriter(t *testing.T) {
	s := &fakeSocket{room: 0}
	out := onSocket(s, ConnConfig{})
	put(out, frameCall, "one")
	if buf := out.take(); buf == nil || string(*buf) != "\x01\x00\x00\x00\x03one" {
		t.Errorf("the writer took %q", *buf)
	}
	s.room = 1000
	put(out, frameCall, "two")
	if s.got.Len() > 0 {
		t.Errorf("the socket got %q beside the writer", s.got.String())
	}
	out.take()
	if buf := out.take(); buf != nil {
		t.Errorf("the writer took %q", *buf)
	}
	put(out, frameCall, "three")
	if want := "\x01\x00\x00\x00\x05three"; s.got.String() != want {
		t.Errorf("after the writer the socket got %q; want %q", s.got.String(), want)
	}
}

// TestDirectAfterTheWriterTookReplies: when the delay of a reply is over that the
// writer has taken along, nothing waits that could be written.
func TestDirectAfterTheWriterTookReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := onSocket(new(fakeSocket), ConnConfig{ReplyDelay: 20 * time.Millisecond})
		put(out, frameCall, "one")
		out.take()
		put(out, frameReply, "two")
		for range 2 { // the reply, and then nothing
			out.take()
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		put(out, frameReply, "three")
		if rung(out); len(waiting(out)) == 0 {
			t.Error("the next reply does not wait")
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if !rung(out) {
			t.Error("the next reply does not leave when its delay is over")
		}
	})
}

// TestDirectNotifiesRoom: a peer whose replies leave directly is served again,
// although the writer, which has nothing to do then, does not report room.
func TestDirectNotifiesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSocket{room: 1000}
		out := onSocket(s, ConnConfig{MaxReplies: 20, ReplyDelay: 20 * time.Millisecond})
		var told atomic.Int32
		for round := int32(1); round <= 2; round++ {
			put(out, frameReply, "123456789012345")
			if !out.whenRoom(nil) {
				t.Error("full at the limit")
			}
			put(out, frameReply, "")
			if out.whenRoom(func() { told.Add(1) }) {
				t.Error("not full over the limit")
			}
			time.Sleep(20*time.Millisecond - 1)
			synctest.Wait()
			if told.Load() != round-1 {
				t.Errorf("round %d: told %d times before the replies have left", round, told.Load())
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if told.Load() != round || !out.hasRoom() || rung(out) {
				t.Errorf("round %d: told %d times when all have left", round, told.Load())
			}
		}
	})
}

// TestDirect writes to a socket whose peer does not read at first: the bytes
// that the socket takes leave at once, on the caller's goroutine, and the rest
// follows in order when there is room, whichever goroutine writes it.
func TestDirect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no loopback: ", err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	cfg := ConnConfig{MaxWaiting: 64 << 20, WriteTimeout: time.Minute}
	out, done := newOutbox(near, &cfg), make(chan struct{})
	defer close(done)
	put(out, frameCall, "first")
	if len(waiting(out)) != 0 {
		t.Errorf("%d bytes wait that a new socket takes, without a writer", len(waiting(out)))
	}
	go out.write(done)
	sent := 1
	piece := strings.Repeat("p", 60_000)
	waits := func() bool {
		out.mu.Lock()
		defer out.mu.Unlock()
		return out.writing
	}
	for !waits() && sent < 2000 {
		if err := put(out, frameCall, piece); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	if !waits() {
		t.Fatalf("the socket took %d pieces that nobody reads", sent)
	}
	for range 20 { // beside the writer
		if err := put(out, frameCall, piece); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	c := NewConn(far, ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
	defer c.Close(wire.Errorf(wire.Closed, "test over"))
	for i := range sent {
		kind, payload, err := c.frames.next()
		want := piece
		if i == 0 {
			want = "first"
		}
		if err != nil || kind != frameCall || string(payload) != want {
			t.Fatalf("frame %d of %d: kind %d, %d bytes, %v", i, sent, kind, len(payload), err)
		}
	}
}
