package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mom.internal/cmd/internal/guard"
	"mom.internal/momserver"
)

// syncBuffer is a buffer that several goroutines may write to.
type syncBuffer struct {
	mu  sync.Mutex // guards the buffer
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// pages serves debug pages at an address with a free port, and returns their
// address as a URL.
func pages(t *testing.T, addr string) (d *debugPages, url, log string) {
	t.Helper()
	srv := momserver.New(momserver.Config{})
	t.Cleanup(func() { srv.Close() })
	var buf syncBuffer
	d, err := (&config{debug: addr}).startDebug(srv, slog.New(slog.NewTextHandler(&buf, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	log = buf.String()
	_, url, _ = strings.Cut(log, "url=")
	url, _, _ = strings.Cut(url, "/\n")
	return d, url, log
}

// fetch gets a page as a browser or a tool with these headers does.
func fetch(t *testing.T, url string, head ...string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
		if head[i] == "Host" {
			r.Host = head[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(text)
}

// TestDebugGuard lets the operator in, by the name given too, and no foreign
// page.
func TestDebugGuard(t *testing.T) {
	_, url, _ := pages(t, "localhost:0")
	for host, want := range map[string]int{
		"localhost:6060": http.StatusOK, "127.0.0.1": http.StatusOK, "evil.example:6060": http.StatusForbidden,
	} {
		if code, body := fetch(t, url+"/metrics", "Host", host); code != want || strings.Contains(body, "momserver_subscribers") != (code == http.StatusOK) {
			t.Errorf("%s: %d, %.80q", host, code, body)
		}
	}
}

// TestDebugBeyondLoopback warns of an address that other machines can reach.
func TestDebugBeyondLoopback(t *testing.T) {
	if _, _, log := pages(t, "127.0.0.1:0"); strings.Contains(log, "level=WARN") {
		t.Error(log)
	}
	if _, _, log := pages(t, "0.0.0.0:0"); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "-debug 127.0.0.1:PORT") {
		t.Error(log)
	}
}

// TestDebugStop ends at once, also with a recording in progress and with a
// connection on which nothing is said.
func TestDebugStop(t *testing.T) {
	d, url, _ := pages(t, "127.0.0.1:0")
	silent, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	recorded := make(chan int, 1)
	go func() {
		code, _ := fetch(t, url+"/debug/pprof/profile?seconds=300")
		recorded <- code
	}()
	deadline := time.Now().Add(hangs)
	for stacks := ""; !strings.Contains(stacks, "debug.record("); {
		if _, stacks = fetch(t, url+"/debug/pprof/goroutine?debug=2"); time.Now().After(deadline) {
			t.Fatal("it does not record")
		}
	}
	d.stop()
	if code := <-recorded; code != http.StatusOK {
		t.Errorf("the recording: %d", code)
	}
	silent.SetReadDeadline(time.Now().Add(hangs))
	if n, err := silent.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the silent connection is open: %v", err)
	}
	if nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		nc.Close()
		t.Error("it listens on")
	}
}

// TestDebugConns closes connections over the bound.
func TestDebugConns(t *testing.T) {
	_, url, _ := pages(t, "127.0.0.1:0")
	answered := func() bool {
		nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		io.WriteString(nc, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		n, _ := nc.Read(make([]byte, 16))
		return n > 0
	}
	for i := range guard.MaxConns {
		if !answered() {
			t.Fatalf("connection %d is not served", i+1)
		}
	}
	if answered() {
		t.Error("one more is served")
	}
}

// TestDebugAddressInUse exits 1, and says so, before anything is mirrored.
func TestDebugAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	paths := sites(t, 1)
	code, stderr := once(t, append([]string{"-debug", l.Addr().String()}, paths...)...)
	if code != exitFailed || !strings.Contains(stderr, "cannot listen on "+l.Addr().String()) || !strings.Contains(stderr, "another address with -debug") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if mirrored(paths[0], paths[1]) {
		t.Error("it mirrored all the same")
	}
}
