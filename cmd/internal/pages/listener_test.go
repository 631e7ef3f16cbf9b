package pages

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestFewConns: over the bound, a new connection takes the place of the one that has
// been without a request for longest. Those with a request keep their places.
func TestFewConns(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	few := &fewConns{Listener: l}
	waiting, release := make(chan struct{}), make(chan struct{})
	srv := &http.Server{ConnState: few.changed, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			waiting <- struct{}{}
			<-release
		}
	})}
	go srv.Serve(few)
	t.Cleanup(func() { srv.Close() })
	ask := func(nc net.Conn, path string) {
		io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	answered := func(nc net.Conn) bool {
		nc.SetReadDeadline(time.Now().Add(time.Minute))
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
	busy := dial()
	ask(busy, "/wait")
	<-waiting
	silent := dial() // asks nothing
	var idle []net.Conn
	for range maxConns - 2 {
		idle = append(idle, dial())
		if ask(idle[len(idle)-1], "/"); !answered(idle[len(idle)-1]) {
			t.Fatalf("connection %d is not served", len(idle))
		}
	}
	for i := range 3 {
		nc := dial()
		if ask(nc, "/"); !answered(nc) {
			t.Errorf("newcomer %d is not served", i)
		}
	}
	if answered(silent) {
		t.Error("the one that asked nothing has kept its place")
	}
	close(release)
	if !answered(busy) {
		t.Error("the one with a request has lost its place")
	}
	for few.places() > 0 { // all end with the server
		srv.Close()
		time.Sleep(time.Millisecond)
	}
}

func (l *fewConns) places() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}
