package duplex

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/rpc"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

var testConfig = ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Second, MessageTimeout: time.Second}

// pair returns two connected Conns, each serving its receiver as "Test".
func pair(t *testing.T, a, b any) (*Conn, *Conn) {
	na, nb := net.Pipe()
	ca, cb := NewConn(na, testConfig), NewConn(nb, testConfig)
	go ca.Serve("Test", a)
	go cb.Serve("Test", b)
	t.Cleanup(func() {
		ca.Close(wire.Errorf(wire.Closed, "test over"))
		cb.Close(wire.Errorf(wire.Closed, "test over"))
		ca.Wait()
		cb.Wait()
	})
	return ca, cb
}

// Nothing is an empty argument or reply.
type Nothing struct{ Unused bool }

type echo struct{ t *testing.T }

func (e *echo) Twice(n *int, reply *int) error { *reply = 2 * *n; return nil }
func (e *echo) Fail(_ *Nothing, _ *Nothing) error {
	return RunMethod(nil, func() error { return &wire.Error{Code: wire.Full, Message: "no: room", After: 3 * time.Second} })
}
func (e *echo) Panic(_ *Nothing, _ *Nothing) error {
	return RunMethod(func(any, []byte) {}, func() error { panic("boom") })
}

// TestConnCalls calls in both directions over one connection.
func TestConnCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &echo{t}, &echo{t})
		ctx := context.Background()
		for i := range 100 {
			for _, c := range []*Conn{a, b} {
				n, reply := i+1, 0
				if err := c.Call(ctx, "Test.Twice", &n, &reply); err != nil || reply != 2*n {
					t.Fatalf("Twice(%d) = %d, %v", n, reply, err)
				}
			}
		}
		err := a.Call(ctx, "Test.Fail", &Nothing{}, &Nothing{})
		var e *wire.Error
		if !errors.Is(err, wire.Full) || !errors.As(err, &e) || e.After != 3*time.Second || e.Message != "no: room" {
			t.Errorf("Fail: %#v", err)
		}
		if err := a.Call(ctx, "Test.Panic", &Nothing{}, &Nothing{}); !errors.Is(err, wire.InternalError) {
			t.Errorf("Panic: %v", err)
		}
		if err := a.Call(ctx, "Test.None", &Nothing{}, &Nothing{}); !errors.Is(err, wire.UnknownMethod) {
			t.Errorf("None: %v", err)
		}
		n, reply := 21, 0
		if err := a.Call(ctx, "Test.Twice", &n, &reply); err != nil || reply != 42 {
			t.Errorf("after errors: %d, %v", reply, err)
		}
	})
}

// silent returns a Conn whose peer takes everything and answers nothing.
func silent(t *testing.T) *Conn {
	na, nb := net.Pipe()
	go io.Copy(io.Discard, nb)
	c := NewConn(na, testConfig)
	go c.Serve("Test", nil)
	t.Cleanup(func() {
		c.Close(wire.Errorf(wire.Closed, "test over"))
		c.Wait()
		nb.Close()
	})
	return c
}

// TestConnCallGivenUp ends a call with its context, and the connection with it.
// The error of the call wraps that of the context; the error of another call
// does not.
func TestConnCallGivenUp(t *testing.T) {
	own := errors.New("own cause")
	cancelled := func(cause error) func() (context.Context, context.CancelFunc) {
		return func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(5*time.Second, func() { cancel(cause) })
			return ctx, func() { cancel(nil) }
		}
	}
	for name, tc := range map[string]struct {
		ctx   func() (context.Context, context.CancelFunc)
		is    []error
		isNot []error
		text  string
	}{
		"late": {
			func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(context.Background(), 5*time.Second)
			},
			[]error{wire.Timeout, context.DeadlineExceeded}, []error{wire.Closed, context.Canceled},
			"Test.Twice to pipe is unanswered: context deadline exceeded",
		},
		"late, with a cause": {
			func() (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(context.Background(), 5*time.Second, own)
			},
			[]error{wire.Timeout, context.DeadlineExceeded, own}, []error{wire.Closed, context.Canceled},
			"Test.Twice to pipe is unanswered: own cause",
		},
		"cancelled": {
			cancelled(nil),
			[]error{wire.Closed, context.Canceled}, []error{wire.Timeout, context.DeadlineExceeded},
			"Test.Twice to pipe was given up: context canceled",
		},
		"cancelled, with a cause": {
			cancelled(own),
			[]error{wire.Closed, context.Canceled, own}, []error{wire.Timeout, context.DeadlineExceeded},
			"Test.Twice to pipe was given up: own cause",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := silent(t)
				ctx, cancel := tc.ctx()
				defer cancel()
				other := make(chan error, 1)
				go func() { other <- c.Call(context.Background(), "Test.Twice", new(int), new(int)) }()
				start := time.Now()
				err := c.Call(ctx, "Test.Twice", new(int), new(int))
				if time.Since(start) != 5*time.Second || err.Error() != tc.text {
					t.Errorf("after %v: %v; want %q", time.Since(start), err, tc.text)
				}
				for _, want := range tc.is {
					if !errors.Is(err, want) {
						t.Errorf("%v is no %v", err, want)
					}
				}
				for _, not := range tc.isNot {
					if errors.Is(err, not) {
						t.Errorf("%v is %v", err, not)
					}
				}
				if c.Err() == nil {
					t.Error("the connection lives on")
				}
				if err := <-other; !errors.Is(err, tc.is[0]) || errors.Is(err, tc.is[1]) {
					t.Errorf("the other call, whose context goes on: %v", err)
				}
			})
		})
	}
}

// TestConnCallEnds: if the connection ends first, the call fails with the
// reason of that.
func TestConnCallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := silent(t)
		c.Close(wire.Errorf(wire.Draining, "first"))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 20 { // both have ended: the select takes either
			if err := c.Call(ctx, "Test.Twice", new(int), new(int)); !errors.Is(err, wire.Draining) || errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
	})
}

// TestConnKeepsCause: an error of the socket stays in the error of the
// connection.
func TestConnKeepsCause(t *testing.T) {
	cfg := testConfig
	for name, tc := range map[string]struct {
		far  func(far net.Conn)
		code error
		is   error
		text string
	}{
		"the end":              {func(far net.Conn) { far.Close() }, wire.Lost, io.EOF, "pipe closed the connection"},
		"the end in a message": {func(far net.Conn) { far.Write([]byte{1}); far.Close() }, wire.Lost, io.ErrUnexpectedEOF, "pipe closed the connection within a message"},
		"half a message":       {func(far net.Conn) { far.Write([]byte{1}) }, wire.Stalled, os.ErrDeadlineExceeded, "a message from pipe was not whole after 1s"},
	} {
		if _, err := servedTo(t, cfg, tc.far); !errors.Is(err, tc.code) || !errors.Is(err, tc.is) || err.Error() != tc.text {
			t.Errorf("%s: %v is no %v; want %q", name, err, tc.is, tc.text)
		}
	}
	for is, nc := range map[error]func(net.Conn) net.Conn{
		os.ErrClosed:           func(nc net.Conn) net.Conn { return &brokenPipe{nc} },
		os.ErrDeadlineExceeded: func(nc net.Conn) net.Conn { return nc },
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe() // far does not read
			defer far.Close()
			c := NewConn(nc(near), cfg)
			go c.Serve("", nil)
			if err := c.Call(context.Background(), "Test.Twice", new(int), new(int)); !errors.Is(err, is) {
				t.Errorf("a write that fails: %v is no %v", err, is)
			}
			c.Wait()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := silent(t)
		c.nc.Close() // as the owner of the socket may do
		c.Wait()
		if !errors.Is(c.Err(), wire.Lost) || !errors.Is(c.Err(), io.ErrClosedPipe) {
			t.Errorf("%v is no %v", c.Err(), io.ErrClosedPipe)
		}
	})
}

// inverted is a socket with a secret: every byte is inverted.
type inverted struct{ *net.TCPConn }

func (c inverted) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	invert(p[:n])
	return n, err
}

func (c inverted) Write(p []byte) (int, error) {
	p = bytes.Clone(p)
	invert(p)
	return c.TCPConn.Write(p)
}

func invert(p []byte) {
	for i := range p {
		p[i] = ^p[i]
	}
}

// TestConnInSocket: a connection that has a socket's methods, and is more,
// is read and written by its own. The other end hides that it has them.
func TestConnInSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a := NewConn(inverted{near.(*net.TCPConn)}, testConfig)
	b := NewConn(struct{ net.Conn }{inverted{far.(*net.TCPConn)}}, testConfig)
	go a.Serve("Test", &echo{t})
	go b.Serve("Test", &echo{t})
	for _, c := range []*Conn{a, b} {
		reply := 0
		if err := c.Call(context.Background(), "Test.Twice", 4, &reply); err != nil || reply != 8 {
			t.Errorf("%d, %v", reply, err)
		}
	}
	for _, c := range []*Conn{a, b} {
		c.Close(wire.Errorf(wire.Closed, "test over"))
		c.Wait()
	}
}

// stubborn is a connection whose reads and writes go on after Close, until the
// test lets them return.
type stubborn struct {
	net.Conn
	reads, writes chan struct{}
}

func (s *stubborn) Read([]byte) (int, error) {
	<-s.reads
	return 0, io.EOF
}

func (s *stubborn) Write([]byte) (int, error) {
	<-s.writes
	return 0, io.ErrClosedPipe
}

// TestConnWait waits for the reader and for the writer.
func TestConnWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		s := &stubborn{near, make(chan struct{}), make(chan struct{})}
		c := NewConn(s, testConfig)
		gone := make(chan struct{})
		go func() {
			c.Serve("", nil)
			close(gone)
		}()
		c.Client().Go("Test.Twice", new(int), new(int), make(chan *rpc.Call, 1))
		synctest.Wait() // both are in the connection
		c.Close(wire.Errorf(wire.Closed, "test over"))
		for _, held := range []chan struct{}{s.reads, s.writes} {
			synctest.Wait()
			select {
			case <-gone:
				t.Fatal("Serve has returned before its goroutines")
			default:
			}
			close(held)
		}
		<-gone
		if !errors.Is(c.Err(), wire.Closed) {
			t.Error(c.Err())
		}
	})
}

// TestConnClientClose: closing the rpc.Client ends the connection.
func TestConnClientClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := silent(t)
		c.Client().Close()
		synctest.Wait()
		if !errors.Is(c.Err(), wire.Closed) {
			t.Error(c.Err())
		}
	})
}

// keeper keeps the bytes that it was called with, and answers with as many.
type keeper struct {
	c    *Conn
	kept [][]byte
	now  bool
}

func (k *keeper) Keep(data *[]byte, reply *[]byte) error {
	k.kept = append(k.kept, *data)
	*reply = bytes.Repeat([]byte{byte(len(k.kept))}, len(*data))
	if k.now {
		k.c.FlushReplies()
	}
	return nil
}

// TestConnBorrows: bytes of a call or a reply may lie where they were read. The
// next message is read elsewhere.
func TestConnBorrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(keeper)
		a, _ := pair(t, nil, k)
		const calls, size = 5, 10_000
		var replies [calls][]byte
		for i := range calls {
			args := bytes.Repeat([]byte{byte(10 + i)}, size)
			if err := a.Call(context.Background(), "Test.Keep", &args, &replies[i]); err != nil {
				t.Fatal(err)
			}
		}
		for i := range calls {
			if want := bytes.Repeat([]byte{byte(10 + i)}, size); !bytes.Equal(k.kept[i], want) {
				t.Errorf("call %d begins % x after the others", i, k.kept[i][:8])
			}
			if want := bytes.Repeat([]byte{byte(1 + i)}, size); !bytes.Equal(replies[i], want) {
				t.Errorf("reply %d begins % x after the others", i, replies[i][:8])
			}
		}
	})
}

// TestConnHooks: OnCall is called before each call, with its size, and OnReplied
// after it, when its reply has been encoded.
func TestConnHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		na, nb := net.Pipe()
		a, b := NewConn(na, testConfig), NewConn(nb, testConfig)
		k, answered := new(keeper), 0
		b.OnReplied = func() { answered++ }
		announced := 0
		b.OnCall = func(bytes int) {
			if bytes < 1000 || bytes > 1200 || len(k.kept) != announced {
				t.Errorf("told of %d bytes when %d calls were served", bytes, len(k.kept))
			}
			announced++
		}
		go a.Serve("", nil)
		go b.Serve("Test", k)
		for i := range 3 {
			args := make([]byte, 1000)
			a.Call(context.Background(), "Test.Keep", &args, new([]byte))
			synctest.Wait()
			if answered != i+1 || announced != i+1 || len(k.kept) != i+1 {
				t.Errorf("told of %d calls and %d answers to %d calls", announced, answered, len(k.kept))
			}
		}
		for _, c := range []*Conn{a, b} {
			c.Close(wire.Errorf(wire.Closed, "test over"))
			c.Wait()
		}
	})
}

// TestConnFlushReplies: a reply waits for its delay, unless its method has it leave
// at once.
func TestConnFlushReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		na, nb := net.Pipe()
		delayed := testConfig
		delayed.ReplyDelay = 20 * time.Millisecond
		a, b := NewConn(na, testConfig), NewConn(nb, delayed)
		k := &keeper{c: b}
		go a.Serve("", nil)
		go b.Serve("Test", k)
		for now, want := range map[bool]time.Duration{false: delayed.ReplyDelay, true: 0} {
			k.now = now
			synctest.Wait() // a writer that is still writing takes a waiting reply along
			start, before := time.Now(), len(k.kept)
			call := a.Client().Go("Test.Keep", &[]byte{1}, new([]byte), make(chan *rpc.Call, 1))
			if <-call.Done; time.Since(start) != want || len(k.kept) != before+1 {
				t.Errorf("answer now %v: after %v; want %v", now, time.Since(start), want)
			}
		}
		for _, c := range []*Conn{a, b} {
			c.Close(wire.Errorf(wire.Closed, "test over"))
			c.Wait()
		}
	})
}

// TestConnOverSockets: over a socket, the end, half a message and a long
// message have the same result as on any other connection.
func TestConnOverSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no loopback: ", err)
	}
	defer l.Close()
	cfg := testConfig
	cfg.WriteTimeout, cfg.MessageTimeout = time.Minute, 10*time.Millisecond
	connect := func() (net.Conn, *Conn) {
		far, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		near, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := NewConn(near, cfg)
		go c.Serve("Test", new(keeper))
		return far, c
	}
	for name, tc := range map[string]struct {
		far      func(far net.Conn)
		code, is error
	}{
		"the end":        {func(far net.Conn) { far.Close() }, wire.Lost, io.EOF},
		"half a message": {func(far net.Conn) { far.Write([]byte{1, 0, 0, 0}) }, wire.Stalled, os.ErrDeadlineExceeded},
		"the owner":      {func(far net.Conn) {}, wire.Closed, nil},
	} {
		far, c := connect()
		tc.far(far)
		if tc.is == nil {
			c.Close(wire.Errorf(wire.Closed, "test over"))
		}
		c.Wait()
		if err := c.Err(); !errors.Is(err, tc.code) || tc.is != nil && !errors.Is(err, tc.is) {
			t.Errorf("%s: %v is no %v", name, err, tc.is)
		}
		far.Close()
	}
	cfg.MessageTimeout = time.Minute
	far, c := connect()
	a := NewConn(far, cfg)
	go a.Serve("", nil)
	for i, size := range []int{1, readAheadSize - 100, readAheadSize, 3 * readAheadSize, 500_000, 1} {
		args, reply := bytes.Repeat([]byte{7}, size), []byte(nil)
		if err := a.Call(context.Background(), "Test.Keep", &args, &reply); err != nil || !bytes.Equal(reply, bytes.Repeat([]byte{byte(i + 1)}, size)) {
			t.Errorf("%d bytes: %d answered, %v", size, len(reply), err)
		}
	}
	for _, c := range []*Conn{a, c} {
		c.Close(wire.Errorf(wire.Closed, "test over"))
		c.Wait()
	}
}
