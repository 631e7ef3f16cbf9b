package wire

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// late returns an outbox that writes to a recorder.
func late(t *testing.T, cfg ConnConfig) (*outbox, *recorder) {
	nc, done := new(recorder), make(chan struct{})
	cfg.MaxWaiting, cfg.WriteTimeout = 1000, time.Second
	out := newOutbox(nc, &cfg)
	go out.write(done)
	t.Cleanup(func() { close(done) })
	return out, nc
}

// written returns how many frames went out in each write.
func written(r *recorder) (frames []int) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.writes {
		frames = append(frames, strings.Count(string(w), "x"))
	}
	r.writes = nil
	return frames
}

// TestRepliesWait holds replies back for exactly their delay, counted from the
// first, and not where a call leaves or one of them is urgent.
func TestRepliesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, nc := late(t, ConnConfig{ReplyDelay: 20 * time.Millisecond})
		expect := func(what string, want ...int) {
			t.Helper()
			got := written(nc)
			if len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
				t.Errorf("%s: frames in each write: %v; want %v", what, got, want)
			}
		}
		for round := range 3 { // the timer is set anew each time
			out.put(frameReply, text("x"))
			time.Sleep(15 * time.Millisecond)
			out.put(frameReply, text("x"))
			time.Sleep(5*time.Millisecond - time.Nanosecond)
			expect("a nanosecond short")
			time.Sleep(time.Nanosecond)
			expect("on the dot", 2)
			if round == 1 {
				time.Sleep(time.Hour)
			}
		}
		out.put(frameReply, text("x"))
		out.put(frameReply, text("x"))
		out.put(frameCall, text("x"))
		expect("a call takes them along", 3)
		out.put(frameReply, text("x"))
		out.noWait()
		expect("the next has not come")
		out.put(frameReply, text("x"))
		expect("the urgent one takes it along", 2)
		out.put(frameReply, text("x"))
		expect("the one after waits again")
		time.Sleep(20 * time.Millisecond)
		expect("and leaves", 1)
		time.Sleep(time.Hour)
		expect("nothing is left")
	})
}

// TestCallsWait holds calls back until they are sent, and replies not at all
// where there is no delay.
func TestCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, nc := late(t, ConnConfig{HoldCalls: true})
		out.put(frameCall, text("x"))
		out.put(frameCall, text("x"))
		if got := written(nc); len(got) > 0 {
			t.Errorf("written before send: %v", got)
		}
		out.send()
		if got := written(nc); len(got) != 1 || got[0] != 2 {
			t.Errorf("frames in each write: %v; want both in one", got)
		}
		out.send()
		if got := written(nc); len(got) > 0 {
			t.Errorf("written by an empty send: %v", got)
		}
		out.put(frameReply, text("x"))
		if got := written(nc); len(got) != 1 {
			t.Errorf("a reply without delay: %v", got)
		}
	})
}

// TestDirect writes to a socket whose peer does not read at first: what the
// socket takes leaves at once, on the caller's goroutine, and the rest follows
// in order when there is room, whoever writes it.
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
	if out.direct == nil {
		t.Skip("no direct writes on this system")
	}
	out.put(frameCall, text("first"))
	if len(out.buf) != 0 || out.lent != nil {
		t.Errorf("%d bytes wait that a new socket takes, without a writer", len(out.buf))
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
		if err := out.put(frameCall, text(piece)); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	if !waits() {
		t.Fatalf("the socket took %d pieces that nobody reads", sent)
	}
	for range 20 { // beside the writer
		if err := out.put(frameCall, text(piece)); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	c := NewConn(far, ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
	defer c.Close(Errorf(CodeClosed, "test over"))
	for i := range sent {
		kind, payload, err := c.readFrame()
		want := piece
		if i == 0 {
			want = "first"
		}
		if err != nil || kind != frameCall || string(payload) != want {
			t.Fatalf("frame %d of %d: kind %d, %d bytes, %v", i, sent, kind, len(payload), err)
		}
	}
}
