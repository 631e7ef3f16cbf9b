package pages

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// start serves h at addr until the test ends.
func start(t *testing.T, addr string, h http.HandlerFunc) *Server {
	t.Helper()
	s, err := Start("-debug", addr, Hosts{"mirror.example"}, h, log.Default(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// TestAddress completes a port with the loopback address, and leaves any other
// address as it is.
func TestAddress(t *testing.T) {
	for arg, want := range map[string]string{
		":6060": "127.0.0.1:6060", "127.0.0.1:0": "127.0.0.1:0", "[::1]:6060": "[::1]:6060",
		"0.0.0.0:6060": "0.0.0.0:6060", "[::]:6060": "[::]:6060", "mirror.example:http": "mirror.example:http",
		"8420": "", "localhost:": "", "localhost:99999": "", "127.0.0.1:nowhere": "",
	} {
		got, err := Address("-debug", arg)
		if got != want || (err == nil) != (want != "") || err != nil && !strings.Contains(err.Error(), `-debug "`+arg+`": want HOST:PORT or :PORT`) {
			t.Errorf("%q: %q, %v; want %q", arg, got, err, want)
		}
	}
}

// TestStart serves at loopback or beyond, under the name of the machine and the
// names that are given, and under no other.
func TestStart(t *testing.T) {
	hello := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }
	if !start(t, "0.0.0.0:0", hello).BeyondLoopback() {
		t.Error("other machines cannot reach 0.0.0.0")
	}
	s := start(t, "localhost:0", hello)
	if s.BeyondLoopback() {
		t.Error("other machines can reach localhost")
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"localhost:6060": http.StatusOK, machine: http.StatusOK, "mirror.example": http.StatusOK, "evil.example:6060": http.StatusForbidden} {
		r, _ := http.NewRequest(http.MethodGet, s.URL(), nil)
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", host, resp.Status)
		}
	}
	addr := strings.Trim(s.URL(), "htp:/")
	if _, err := Start("-debug", addr, nil, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "cannot listen on "+addr) || !strings.Contains(err.Error(), "another address with -debug") {
		t.Errorf("an address in use: %v", err)
	}
}

// TestStop ends at once, also with a request in progress that waits for its
// context, and with a connection without a request.
func TestStop(t *testing.T) {
	s := start(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	resp, err := http.Get(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	silent, err := net.Dial("tcp", s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s.Stop()
	silent.SetReadDeadline(time.Now().Add(2 * time.Minute))
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection without a request: %v", err)
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Errorf("the request in progress was cut off: %v", err)
	}
	if nc, err := net.Dial("tcp", s.addr.String()); err == nil {
		nc.Close()
		t.Error("it still listens")
	}
}
