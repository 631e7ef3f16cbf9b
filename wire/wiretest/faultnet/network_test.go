package faultnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire/wiretest/faultnet"
)

// plain is a link on which everything takes 10 ms a way.
var plain = faultnet.Shape{Latency: 10*time.Millisecond - time.Microsecond, Buffer: 1000, Grid: time.Microsecond}

// connected runs test, in a bubble, with both ends of a connection.
func connected(t *testing.T, shape faultnet.Shape, test func(l *faultnet.Link, client, server net.Conn)) {
	t.Helper()
	connectedBy(t, shape, false, test)
}

// connectedBy runs test as connected does, where the server has dialled back.
func connectedBy(t *testing.T, shape faultnet.Shape, back bool, test func(l *faultnet.Link, client, server net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var n faultnet.Network
		l := n.Link("client", shape, 1)
		at, err := n.Listen("server:1")
		dial := l.DialContext
		if back {
			at.Close()
			at, err = l.Listen("tcp", ":0")
			dial = l.DialBack
		}
		if err != nil {
			t.Fatal(err)
		}
		client, err := dial(context.Background(), "tcp", at.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := at.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if back {
			client, server = server, client
		}
		test(l, client, server)
		client.Close()
		server.Close()
		at.Close()
		if clients, servers := n.Open(); clients+servers != 0 {
			t.Errorf("open: %d of the client's and %d of the server's", clients, servers)
		}
	})
}

// readIn reads n bytes, which should take so long.
func readIn(t *testing.T, c net.Conn, n int, want time.Duration) []byte {
	t.Helper()
	start, got := time.Now(), make([]byte, n)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start).Round(100 * time.Microsecond); took != want {
		t.Errorf("%d bytes took %v; want %v", n, took, want)
	}
	return got
}

// fails runs an operation that should end with the error, after so long.
func fails(t *testing.T, op func() (int, error), want error, after time.Duration) {
	t.Helper()
	start := time.Now()
	if _, err := op(); !errors.Is(err, want) {
		t.Errorf("%v; want %v", err, want)
	}
	if took := time.Since(start).Round(100 * time.Microsecond); took != after {
		t.Errorf("the error came after %v; want %v", took, after)
	}
}

func read(c net.Conn) func() (int, error) {
	return func() (int, error) { return c.Read(make([]byte, 1000)) }
}
func write(c net.Conn) func() (int, error) {
	return func() (int, error) { return c.Write(make([]byte, 10)) }
}

func TestLatency(t *testing.T) {
	connected(t, plain, func(_ *faultnet.Link, client, server net.Conn) {
		client.Write([]byte("hello"))
		if got := readIn(t, server, 5, 10*time.Millisecond); string(got) != "hello" {
			t.Errorf("%q", got)
		}
	})
}

// TestBackPressure has a writer wait for a reader that does not read, up to
// its deadline.
func TestBackPressure(t *testing.T) {
	connected(t, plain, func(_ *faultnet.Link, client, server net.Conn) {
		client.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := client.Write(make([]byte, 3000))
		if n != 1000 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d, %v", n, err)
		}
		client.SetWriteDeadline(time.Time{})
		go client.Write(make([]byte, 1500))
		readIn(t, server, 1000, 0)
		readIn(t, server, 1500, 20*time.Millisecond)
	})
}

func TestReadDeadline(t *testing.T) {
	connected(t, plain, func(_ *faultnet.Link, client, server net.Conn) {
		server.SetReadDeadline(time.Now().Add(time.Minute))
		go func() {
			time.Sleep(time.Second)
			server.SetReadDeadline(time.Now().Add(time.Second)) // of a Read that waits
		}()
		fails(t, read(server), os.ErrDeadlineExceeded, 2*time.Second)
		server.SetReadDeadline(time.Time{})
		client.Write([]byte("hello"))
		readIn(t, server, 5, 10*time.Millisecond)
	})
}

// TestBlock holds one way, and lets the other work.
func TestBlock(t *testing.T) {
	connected(t, plain, func(l *faultnet.Link, client, server net.Conn) {
		client.Write([]byte("before"))
		l.Block(faultnet.Up)
		client.Write([]byte("within"))
		server.Write([]byte("down"))
		readIn(t, client, 4, 10*time.Millisecond)
		server.SetReadDeadline(time.Now().Add(time.Minute))
		fails(t, read(server), os.ErrDeadlineExceeded, time.Minute)
		server.SetReadDeadline(time.Time{})
		l.Unblock(faultnet.Up)
		if got := readIn(t, server, 12, 10*time.Millisecond); string(got) != "beforewithin" {
			t.Errorf("%q", got)
		}
	})
}

func TestThrottle(t *testing.T) {
	connected(t, plain, func(l *faultnet.Link, client, server net.Conn) {
		l.Throttle(faultnet.Up, 100)
		client.Write(make([]byte, 1000))
		start := time.Now()
		io.ReadFull(server, make([]byte, 500))
		if took := time.Since(start); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("half took %v", took)
		}
		l.Heal()
		readIn(t, server, 500, 10*time.Millisecond)
	})
}

func TestCut(t *testing.T) {
	connected(t, plain, func(l *faultnet.Link, client, server net.Conn) {
		client.Write([]byte("lost"))
		l.Cut()
		fails(t, read(server), syscall.ECONNRESET, 0)
		fails(t, write(client), syscall.ECONNRESET, 0)
	})
}

// TestDialBack has the server connect to the client: up is still from the
// client, and the network knows the connection by the client's address.
func TestDialBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n faultnet.Network
		l := n.Link("10.0.0.1", plain, 1)
		at, err := l.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		if clients, servers := n.Open(); clients != 1 || servers != 0 {
			t.Errorf("open: %d of the client's and %d of the server's", clients, servers)
		}
		l.Twice(true)
		server, err := l.DialBack(context.Background(), "tcp", at.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		client, _ := at.Accept()
		ghost, _ := at.Accept()
		l.Heal()
		ghost.Close()
		if clients, servers := n.Open(); clients != 2 || servers != 1 {
			t.Errorf("open: %d of the client's and %d of the server's", clients, servers)
		}
		if client.LocalAddr() != at.Addr() || server.RemoteAddr() != at.Addr() || client.RemoteAddr() != server.LocalAddr() {
			t.Errorf("%v-%v and %v-%v", client.LocalAddr(), client.RemoteAddr(), server.LocalAddr(), server.RemoteAddr())
		}
		l.Block(faultnet.Down)
		client.Write(make([]byte, 53))
		readIn(t, server, 53, 10*time.Millisecond)
		l.Heal()
		client.Close()
		fails(t, read(server), io.EOF, 10*time.Millisecond)
		if seen := n.Seen(at.Addr().String()); !seen.Ended.Equal(time.Now()) {
			t.Errorf("seen: %+v", seen)
		}
		server.Close()
		at.Close()
		if clients, servers := n.Open(); clients+servers != 0 {
			t.Errorf("open: %d of the client's and %d of the server's", clients, servers)
		}
	})
}

// TestMessages: each message arrives at an instant of its own, whatever the
// connection carries.
func TestMessages(t *testing.T) {
	proof, record := make([]byte, 53), []byte{22, 3, 3, 0, 2, 7, 7}
	hello, frame := []byte{'M', 'o', 'M', 1, 1, 0, 1, 'x'}, []byte{1, 0, 0, 0, 2, 7, 7}
	for _, c := range []struct {
		tls, back bool
		way       faultnet.Way
		says      [][]byte
	}{
		{false, false, faultnet.Up, [][]byte{hello, frame, frame}},
		{false, false, faultnet.Down, [][]byte{{'M', 'o', 'M', 1, 1, 0, 0, 1, 'x'}, frame, frame}},
		{false, true, faultnet.Up, [][]byte{proof, frame, frame}},
		{false, true, faultnet.Down, [][]byte{proof[:32], frame, frame}},
		{true, false, faultnet.Up, [][]byte{record, record}},
		{true, false, faultnet.Down, [][]byte{record, record}},
		{true, true, faultnet.Up, [][]byte{proof, record, record}},
		{true, true, faultnet.Down, [][]byte{record, record}},
	} {
		shape := plain
		shape.TLS = c.tls
		connectedBy(t, shape, c.back, func(_ *faultnet.Link, client, server net.Conn) {
			from, to := client, server
			if c.way == faultnet.Down {
				from, to = server, client
			}
			from.Write(bytes.Join(c.says, nil))
			to.SetReadDeadline(time.Now().Add(time.Minute))
			for _, want := range c.says {
				buf := make([]byte, 100)
				if n, err := to.Read(buf); n != len(want) || err != nil {
					t.Errorf("%+v: %d bytes, %v; want %d", c, n, err, len(want))
				}
			}
		})
	}
}

// TestTear gives half of a frame and then a reset.
func TestTear(t *testing.T) {
	connected(t, plain, func(l *faultnet.Link, client, server net.Conn) {
		greeting := []byte{'M', 'o', 'M', 1, 1, 0, 0}
		client.Write(greeting)
		readIn(t, server, len(greeting), 10*time.Millisecond)
		l.Tear(faultnet.Up)
		client.Write(append([]byte{1, 0, 0, 0, 95}, bytes.Repeat([]byte{7}, 95)...))
		readIn(t, server, 50, 10*time.Millisecond)
		fails(t, read(server), syscall.ECONNRESET, 0)
		fails(t, read(client), syscall.ECONNRESET, 0)
	})
}

// TestForget makes a connection half-open: nothing comes, and who writes is
// told late.
func TestForget(t *testing.T) {
	connected(t, plain, func(l *faultnet.Link, client, server net.Conn) {
		l.Forget()
		client.SetReadDeadline(time.Now().Add(time.Minute))
		fails(t, read(client), os.ErrDeadlineExceeded, time.Minute)
		client.SetReadDeadline(time.Time{})
		l.Block(faultnet.Down)
		if _, err := server.Write([]byte("vanishes")); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		l.Unblock(faultnet.Down)
		fails(t, read(server), syscall.ECONNRESET, 20*time.Millisecond)
	})
}

func TestEnd(t *testing.T) {
	connected(t, plain, func(_ *faultnet.Link, client, server net.Conn) {
		client.Write([]byte("bye"))
		client.Close()
		fails(t, read(client), net.ErrClosed, 0)
		readIn(t, server, 3, 10*time.Millisecond)
		fails(t, read(server), io.EOF, 0)
		server.Write([]byte("to nobody"))
		time.Sleep(20 * time.Millisecond)
		fails(t, write(server), syscall.ECONNRESET, 0)
	})
}

// TestDial dials nobody, over a blocked link, and too late.
func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n faultnet.Network
		l := n.Link("client", plain, 1)
		dial := func() (int, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			c, err := l.DialContext(ctx, "tcp", "server:1")
			if err == nil {
				c.Close()
			}
			return 0, err
		}
		fails(t, dial, syscall.ECONNREFUSED, 20*time.Millisecond)
		at, _ := n.Listen("server:1")
		l.Block(faultnet.Down)
		fails(t, dial, context.DeadlineExceeded, time.Second)
		l.Late(true)
		fails(t, dial, context.DeadlineExceeded, time.Second)
		ghost, err := at.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ghost.SetReadDeadline(time.Now().Add(time.Minute))
		fails(t, read(ghost), os.ErrDeadlineExceeded, time.Minute)
		ghost.Close()
		l.Heal()
		l.Delay(2 * time.Second)
		fails(t, dial, context.DeadlineExceeded, time.Second)
		l.Heal()
		fails(t, dial, nil, 20*time.Millisecond)
		at.Close()
		if clients, servers := n.Open(); clients+servers != 0 {
			t.Errorf("open: %d of the client's and %d of the server's", clients, servers)
		}
	})
}
