package pages

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestFewConns closes connections over the bound, and accepts others when there
// is room again.
func TestFewConns(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go srv.Serve(&fewConns{Listener: l})
	t.Cleanup(func() { srv.Close() })
	answered := func(nc net.Conn) bool {
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		n, _ := nc.Read(make([]byte, 16))
		return n > 0
	}
	dial := func() net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc
	}
	var all []net.Conn
	for range maxConns {
		all = append(all, dial())
		if !answered(all[len(all)-1]) {
			t.Fatalf("connection %d is not served", len(all))
		}
	}
	if answered(dial()) {
		t.Error("one more is served")
	}
	all[0].Close()
	for deadline := time.Now().Add(2 * time.Minute); !answered(dial()); {
		if time.Now().After(deadline) {
			t.Fatal("no room after one was closed")
		}
	}
}
