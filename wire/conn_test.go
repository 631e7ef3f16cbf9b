package wire

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

var testConfig = ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Second, MessageTimeout: time.Second}

// pair returns two connected Conns, each serving its receiver as "Test".
func pair(t *testing.T, a, b any) (*Conn, *Conn) {
	na, nb := net.Pipe()
	ca, cb := NewConn(na, testConfig), NewConn(nb, testConfig)
	go ca.Serve("Test", a)
	go cb.Serve("Test", b)
	t.Cleanup(func() {
		ca.Close(Errorf(CodeClosed, "test over"))
		cb.Close(Errorf(CodeClosed, "test over"))
		ca.Wait()
		cb.Wait()
	})
	return ca, cb
}

type echo struct{ t *testing.T }

func (e *echo) Twice(n *int, reply *int) error { *reply = 2 * *n; return nil }
func (e *echo) Fail(_ *Nothing, _ *Nothing) error {
	return Serving(nil, func() error { return &Error{Code: CodeFull, Message: "no: room", After: 3 * time.Second} })
}
func (e *echo) Panic(_ *Nothing, _ *Nothing) error {
	return Serving(func(any, []byte) {}, func() error { panic("boom") })
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
		var e *Error
		if !errors.Is(err, ErrFull) || !errors.As(err, &e) || e.After != 3*time.Second || e.Message != "no: room" {
			t.Errorf("Fail: %#v", err)
		}
		if err := a.Call(ctx, "Test.Panic", &Nothing{}, &Nothing{}); !errors.Is(err, ErrInternal) {
			t.Errorf("Panic: %v", err)
		}
		if err := a.Call(ctx, "Test.None", &Nothing{}, &Nothing{}); !errors.Is(err, ErrUnknownMethod) {
			t.Errorf("None: %v", err)
		}
		n, reply := 21, 0
		if err := a.Call(ctx, "Test.Twice", &n, &reply); err != nil || reply != 42 {
			t.Errorf("after errors: %d, %v", reply, err)
		}
	})
}

// TestConnUnansweredCall gives a call up with its context, and the connection
// with it.
func TestConnUnansweredCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		na, nb := net.Pipe()
		defer nb.Close()
		go func() { // takes everything, answers nothing
			buf := make([]byte, 1024)
			for {
				if _, err := nb.Read(buf); err != nil {
					return
				}
			}
		}()
		c := NewConn(na, testConfig)
		go c.Serve("Test", nil)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		start, n := time.Now(), 1
		err := c.Call(ctx, "Test.Twice", &n, new(int))
		if !errors.Is(err, ErrTimeout) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if c.Err() == nil {
			t.Error("the connection lives on")
		}
		c.Wait()
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
		c.Close(Errorf(CodeClosed, "test over"))
		c.Wait()
	}
}
