//go:build unix

package momserver

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// socketPair returns the two ends of a connection.
func socketPair(t *testing.T, l net.Listener) (near, far net.Conn) {
	t.Helper()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// TestHungUp: a connection that its peer has closed or reset is told from one that
// is open, and from one with something to read.
func TestHungUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, tc := range map[string]struct {
		do   func(far *net.TCPConn)
		want bool
	}{
		"silent":          {func(*net.TCPConn) {}, false},
		"closed":          {func(far *net.TCPConn) { far.Close() }, true},
		"reset":           {func(far *net.TCPConn) { far.SetLinger(0); far.Close() }, true},
		"said something":  {func(far *net.TCPConn) { far.Write([]byte("M")) }, false},
		"said, and ended": {func(far *net.TCPConn) { far.Write([]byte("M")); far.CloseWrite() }, false},
	} {
		near, far := socketPair(t, l)
		tc.do(far.(*net.TCPConn))
		for began := time.Now(); hungUp(near) != tc.want; { // the kernel may take a moment
			if time.Since(began) > 10*time.Second {
				t.Errorf("%s: hung up: %v", name, !tc.want)
				break
			}
		}
	}
	near, _ := net.Pipe()
	if hungUp(near) {
		t.Error("a connection that is no socket")
	}
}

// patientListener hands out a connection when its peer has hung up.
type patientListener struct {
	net.Listener
	accepted atomic.Int32
}

func (l *patientListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	for err == nil && !hungUp(nc) {
		runtime.Gosched()
	}
	l.accepted.Add(1)
	return nc, err
}

// TestHangUpsOverTheLimit: a connection from an address that fails too often and has
// hung up is closed where it was accepted, and never greeted.
func TestHangUpsOverTheLimit(t *testing.T) {
	var greeted atomic.Int32
	srv := New(Config{FailuresPerMinute: 2, Logger: slog.New(counter{slog.DiscardHandler, &greeted})})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	patient := &patientListener{Listener: l}
	go srv.Serve(patient)
	for i := range int32(20) {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		for patient.accepted.Load() <= i || greeted.Load() < min(i+1, 2) {
			runtime.Gosched()
		}
	}
	srv.Close()
	if n := greeted.Load(); n != 2 {
		t.Errorf("%d of 20 connections that have hung up were greeted", n)
	}
}

// counter counts the lines about connections that were refused.
type counter struct {
	slog.Handler
	n *atomic.Int32
}

func (c counter) Enabled(context.Context, slog.Level) bool { return true }
func (c counter) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c counter) WithGroup(string) slog.Handler            { return c }

func (c counter) Handle(_ context.Context, r slog.Record) error {
	if strings.HasSuffix(r.Message, "connection refused") {
		c.n.Add(1)
	}
	return nil
}
