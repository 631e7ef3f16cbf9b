package wiretest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"mom.internal/wire/wiretest"
)

// TestNetwork listens and connects, and is refused both where a listener is
// open, closed, or does not accept.
func TestNetwork(t *testing.T) {
	var n wiretest.Network
	dial := func(ctx context.Context) (net.Conn, error) { return n.DialContext(ctx, "tcp", "a:1") }
	if c, err := dial(t.Context()); err == nil {
		t.Fatalf("connected to nobody: %v", c)
	}
	l, err := n.Listen("a:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("a:1"); err == nil {
		t.Error("two listeners have one address")
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := dial(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody accepts: %v", err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	near, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	far := <-accepted
	if near.RemoteAddr().String() != "a:1" || far.RemoteAddr().String() != near.LocalAddr().String() {
		t.Errorf("from %v to %v, and from %v to %v", near.LocalAddr(), near.RemoteAddr(), far.LocalAddr(), far.RemoteAddr())
	}
	n.Cut()
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after Cut: %v", err)
	}
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
