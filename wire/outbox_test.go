package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a connection that keeps each write, and waits in the first one
// while held.
type recorder struct {
	net.Conn
	held chan struct{} // nil for not at all

	mu     sync.Mutex // guards writes
	writes [][]byte
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

func (r *recorder) SetWriteDeadline(time.Time) error { return nil }
func (r *recorder) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// text returns an encode that writes s.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// TestOutboxGathers: what is put while a write is under way goes out in one
// write, in order.
func TestOutboxGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := &recorder{held: make(chan struct{})}
		out, done := newOutbox(nc, &ConnConfig{MaxWaiting: 1000, WriteTimeout: time.Second}), make(chan struct{})
		go out.write(done)
		for _, s := range []string{"one", "two", "", "four"} {
			if err := out.put(frameReply, text(s)); err != nil {
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
		}{{14, nil}, {30, nil}, {1, ErrFull}} { // 19 bytes wait: one more, of any size; then none
			err := out.put(frameCall, text(strings.Repeat("x", tc.size)))
			if !errors.Is(err, tc.full) {
				t.Errorf("frame %d: %v", i, err)
			}
		}
		if time.Since(start) != 0 || len(out.buf) != 19+35 {
			t.Errorf("%d bytes wait after %v", len(out.buf), time.Since(start))
		}
	})
}

// TestOutboxEncodeFails: nothing of the frame is sent.
func TestOutboxEncodeFails(t *testing.T) {
	out := newOutbox(nil, &ConnConfig{MaxWaiting: 1000, WriteTimeout: time.Second})
	out.put(frameCall, text("one"))
	err := out.put(frameCall, func(w io.Writer) error {
		io.WriteString(w, "half")
		return io.ErrShortWrite
	})
	if err != io.ErrShortWrite || string(out.buf) != "\x01\x00\x00\x00\x03one" {
		t.Errorf("%v", err)
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
			if out.full() != full || told != tells {
				t.Errorf("%s: full: %v, told %d times; want %v, %d", what, out.full(), told, full, tells)
			}
		}
		out.put(frameCall, text(strings.Repeat("x", 100)))
		synctest.Wait() // the writer has it
		out.put(frameReply, text("123456789012345"))
		expect("just enough", false, 0)
		if !out.whenRoom(tell) {
			t.Error("there is no room where there is")
		}
		out.put(frameReply, text(""))
		expect("too many", true, 0)
		if out.whenRoom(tell) || out.whenRoom(nil) || out.whenRoom(tell) {
			t.Error("there is room where there is none")
		}
		nc.held <- struct{}{} // the call has left, and the replies are leaving
		expect("they are leaving", true, 0)
		out.put(frameReply, text("1"))
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
		if !errors.Is(c.Err(), ErrTimeout) {
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
		if !errors.Is(c.Err(), ErrLost) || !strings.Contains(c.Err().Error(), "writing to pipe: file already closed") {
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
		if !errors.Is(c.Err(), ErrFull) || time.Since(start) != 0 || calls < 100 {
			t.Errorf("%d calls in %v: %v", calls, time.Since(start), c.Err())
		}
		c.Wait()
	})
}
