package duplex

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

// recorder is a connection that keeps each write, and waits in the first one
// while held.
type recorder struct {
	net.Conn
	held chan struct{} // nil for not at all

	mu        sync.Mutex // guards the fields below
	writes    [][]byte
	deadlines []time.Time
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.held != nil {
		<-r.held
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, bytes.Clone(p))
	return len(p), nil
}

func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadlines = append(r.deadlines, t)
	return nil
}

func (r *recorder) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// put puts a frame with the payload into an outbox.
func put(out *outbox, kind frameKind, payload string) error {
	f := frame(kind, []byte(payload))
	return out.put(kind, &f)
}

// waiting returns the bytes that wait in an outbox.
func waiting(out *outbox) []byte {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.buf == nil {
		return nil
	}
	return *out.buf
}

// TestOutboxGathers: what is put while a write is under way goes out in one
// write, in order.
func TestOutboxGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := &recorder{held: make(chan struct{})}
		out, done := newOutbox(nc, &ConnConfig{MaxWaiting: 1000, WriteTimeout: time.Second}), make(chan struct{})
		go out.write(done)
		for _, s := range []string{"one", "two", "", "four"} {
			if err := put(out, frameReply, s); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the writer has the first and waits
		}
		close(nc.held)
		synctest.Wait()
		want := "\x02\x00\x00\x00\x03two" + "\x02\x00\x00\x00\x00" + "\x02\x00\x00\x00\x04four"
		if len(nc.writes) != 2 || string(nc.writes[0]) != "\x02\x00\x00\x00\x03one" || string(nc.writes[1]) != want {
			t.Errorf("written: %q", nc.writes)
		}
		if out.buf != nil {
			t.Error("an idle outbox holds a buffer")
		}
		close(done)
	})
}

// TestOutboxDeadlines: each write of the writer has the whole WriteTimeout,
// from its own beginning; direct writes that come later have no deadline.
func TestOutboxDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, done := &recorder{held: make(chan struct{})}, make(chan struct{})
		out := newOutbox(nc, &ConnConfig{MaxWaiting: 1000, WriteTimeout: time.Second})
		go out.write(done)
		start := time.Now()
		put(out, frameCall, "one")
		synctest.Wait()
		put(out, frameCall, "two")
		time.Sleep(900 * time.Millisecond)
		nc.held <- struct{}{}
		nc.held <- struct{}{}
		synctest.Wait()
		want := []time.Time{start.Add(time.Second), start.Add(1900 * time.Millisecond), {}}
		if !slices.EqualFunc(slices.CompactFunc(nc.deadlines, time.Time.Equal), want, time.Time.Equal) {
			t.Errorf("deadlines %v; want %v", nc.deadlines, want)
		}
		close(done)
	})
}

// TestGiveBack keeps a buffer for other outboxes, but not a large one.
func TestGiveBack(t *testing.T) {
	for capacity, kept := range map[int]bool{maxPooled: true, maxPooled + 1: false} {
		buf := make([]byte, 5, capacity)
		if giveBack(&buf); (len(buf) == 0) != kept {
			t.Errorf("a buffer of %d bytes is given back with %d bytes in it", capacity, len(buf))
		}
	}
}

// TestOutboxLimit: put never waits; it refuses when limit bytes wait, and not
// before.
func TestOutboxLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe() // nobody reads, nobody writes
		out := newOutbox(near, &ConnConfig{MaxWaiting: 20, WriteTimeout: time.Second})
		start := time.Now()
		for i, tc := range []struct {
			size int
			full error
		}{{14, nil}, {30, nil}, {0, wire.Full}} { // 19 bytes wait: one more, of any size; then none
			err := put(out, frameCall, strings.Repeat("x", tc.size))
			if !errors.Is(err, tc.full) {
				t.Errorf("frame %d: %v", i, err)
			}
		}
		if time.Since(start) != 0 || len(waiting(out)) != 19+35 {
			t.Errorf("%d bytes wait after %v", len(waiting(out)), time.Since(start))
		}
	})
}

// TestOutboxFullAtTheLimit: an outbox takes a frame that fills it to MaxWaiting
// exactly, and then no other.
func TestOutboxFullAtTheLimit(t *testing.T) {
	out := newOutbox(new(recorder), &ConnConfig{MaxWaiting: 20})
	if err := put(out, frameCall, strings.Repeat("x", 15)); err != nil || len(waiting(out)) != 20 {
		t.Errorf("%d bytes wait: %v", len(waiting(out)), err)
	}
	if err := put(out, frameCall, ""); !errors.Is(err, wire.Full) || !strings.Contains(err.Error(), "20 bytes wait") {
		t.Errorf("at the limit: %v", err)
	}
}

// TestOutboxMaxQueuedReplies: without MaxReplies, half of what may wait may be replies.
func TestOutboxMaxQueuedReplies(t *testing.T) {
	out := newOutbox(new(recorder), &ConnConfig{MaxWaiting: 40})
	put(out, frameReply, strings.Repeat("x", 15))
	if !out.hasRoom() {
		t.Error("full at half")
	}
	put(out, frameReply, "")
	if out.hasRoom() {
		t.Error("not full over half")
	}
}

// TestOutboxRoomAtTheLimit: a caller that waits for room is woken when just
// enough replies are left, and no earlier; if none waits, none is woken.
func TestOutboxRoomAtTheLimit(t *testing.T) {
	out, told := newOutbox(new(recorder), &ConnConfig{MaxWaiting: 1000, MaxReplies: 20}), 0
	put(out, frameReply, strings.Repeat("x", 16))
	if out.whenRoom(func() { told++ }) {
		t.Error("there is room over the limit")
	}
	out.take() // 21 bytes are leaving
	put(out, frameReply, strings.Repeat("x", 15))
	if told > 0 || out.hasRoom() {
		t.Errorf("told %d times while 41 bytes leave or wait", told)
	}
	out.take() // 20 bytes are leaving
	if told != 1 || !out.hasRoom() {
		t.Errorf("told %d times while 20 bytes leave", told)
	}
	put(out, frameReply, "")
	if out.whenRoom(func() { told++ }) || out.whenRoom(nil) {
		t.Error("there is room over the limit")
	}
	out.take()
	out.take()
	if told != 1 {
		t.Errorf("told %d times, after nobody waits", told)
	}
}

// TestOutboxFull: replies count until they have left, calls do not; whoever
// waits for room is told once, when there is some.
func TestOutboxFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, done := &recorder{held: make(chan struct{})}, make(chan struct{})
		out, told := newOutbox(nc, &ConnConfig{MaxWaiting: 1000, MaxReplies: 20, WriteTimeout: time.Second}), 0
		go out.write(done)
		tell := func() { told++ }
		expect := func(what string, full bool, tells int) {
			t.Helper()
			synctest.Wait()
			if !out.hasRoom() != full || told != tells {
				t.Errorf("%s: full: %v, told %d times; want %v, %d", what, !out.hasRoom(), told, full, tells)
			}
		}
		put(out, frameCall, strings.Repeat("x", 100))
		synctest.Wait() // the writer has it
		put(out, frameReply, "123456789012345")
		expect("just enough", false, 0)
		if !out.whenRoom(tell) {
			t.Error("there is no room where there is")
		}
		put(out, frameReply, "")
		expect("too many", true, 0)
		if out.whenRoom(tell) || out.whenRoom(nil) || out.whenRoom(tell) {
			t.Error("there is room where there is none")
		}
		nc.held <- struct{}{} // the call has left, and the replies are leaving
		expect("they are leaving", true, 0)
		put(out, frameReply, "1")
		nc.held <- struct{}{}
		expect("those have left, the last one is leaving", false, 1)
		nc.held <- struct{}{}
		expect("all have left", false, 1)
		close(done)
	})
}

// TestWriteDeadline ends the connection exactly when a write has taken too
// long, and a write error at once.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe() // far does not read
		c := NewConn(near, testConfig)
		go c.Serve("Test", nil)
		time.Sleep(time.Hour) // idle is no matter
		c.Client().Go("Test.Twice", new(int), new(int), nil)
		time.Sleep(testConfig.WriteTimeout - 1)
		synctest.Wait()
		if c.Err() != nil {
			t.Errorf("a nanosecond early: %v", c.Err())
		}
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		if !errors.Is(c.Err(), wire.Timeout) {
			t.Errorf("on the dot: %v", c.Err())
		}
		c.Wait()
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the socket: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		c := NewConn(&brokenPipe{near}, testConfig)
		go c.Serve("Test", nil)
		c.Client().Go("Test.Twice", new(int), new(int), nil)
		synctest.Wait()
		if !errors.Is(c.Err(), wire.Lost) || !strings.Contains(c.Err().Error(), "writing to pipe: file already closed") {
			t.Errorf("after a write error: %v", c.Err())
		}
		c.Wait()
	})
}

// brokenPipe takes no byte.
type brokenPipe struct{ net.Conn }

func (*brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestFloodedCaller: calls to a peer that does not read cost their caller
// nothing until the outbox is full; then the connection ends.
func TestFloodedCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		cfg := testConfig
		cfg.MaxWaiting = 10_000
		c := NewConn(near, cfg)
		go c.Serve("Test", nil)
		start, calls := time.Now(), 0
		for ; c.Err() == nil && calls < 10_000; calls++ {
			c.Client().Go("Test.Twice", &calls, new(int), nil)
		}
		if !errors.Is(c.Err(), wire.Full) || time.Since(start) != 0 || calls < 100 {
			t.Errorf("%d calls in %v: %v", calls, time.Since(start), c.Err())
		}
		c.Wait()
	})
}

// recordingOutbox returns an outbox that writes to a recorder.
func recordingOutbox(t *testing.T, cfg ConnConfig) (*outbox, *recorder) {
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
// first, but not if a call leaves or one of the replies is urgent.
func TestRepliesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, nc := recordingOutbox(t, ConnConfig{ReplyDelay: 20 * time.Millisecond})
		expect := func(what string, want ...int) {
			t.Helper()
			got := written(nc)
			if len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
				t.Errorf("%s: frames in each write: %v; want %v", what, got, want)
			}
		}
		for round := range 3 { // the timer is set anew each time
			put(out, frameReply, "x")
			time.Sleep(15 * time.Millisecond)
			put(out, frameReply, "x")
			time.Sleep(5*time.Millisecond - time.Nanosecond)
			expect("a nanosecond short")
			time.Sleep(time.Nanosecond)
			expect("on the dot", 2)
			if round == 1 {
				time.Sleep(time.Hour)
			}
		}
		put(out, frameReply, "x")
		put(out, frameReply, "x")
		put(out, frameCall, "x")
		expect("a call takes them along", 3)
		put(out, frameReply, "x")
		out.flushReplies()
		expect("the next has not come")
		put(out, frameReply, "x")
		expect("the urgent one takes it along", 2)
		put(out, frameReply, "x")
		expect("the one after waits again")
		time.Sleep(20 * time.Millisecond)
		expect("and leaves", 1)
		time.Sleep(time.Hour)
		expect("nothing is left")
	})
}
