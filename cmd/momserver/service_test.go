//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is a service manager: the socket that it is told on.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// listenNotify listens at a socket, a path or an abstract name.
func listenNotify(t *testing.T, name string) manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return manager{t, conn}
}

// told returns the lines of the next datagram.
func (m manager) told() []string {
	m.t.Helper()
	buf := make([]byte, 4096)
	m.conn.SetReadDeadline(time.Now().Add(hangs))
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(string(buf[:n]), "\n")
}

// nothing checks that no more was told.
func (m manager) nothing() {
	m.t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // what was told is there already
	if n, err := m.conn.Read(make([]byte, 100)); err == nil {
		m.t.Errorf("told %d bytes more", n)
	}
}

// TestService is the life of a service: the manager is told that it is ready,
// and the health page says so; after SIGTERM the manager is told that it stops,
// the page says so while a subscriber has not got everything, and when that has
// gone it ends by itself, the pages with it.
func TestService(t *testing.T) {
	dir, err := os.MkdirTemp("", "mom") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	names := []string{filepath.Join(dir, "notify")}
	if runtime.GOOS == "linux" {
		names = append(names, fmt.Sprintf("@mom-test-%d", os.Getpid()))
	}
	for _, name := range names {
		t.Run(name[:1], func(t *testing.T) {
			m := listenNotify(t, name)
			p := startIn(t, []string{"NOTIFY_SOCKET=" + name}, append([]string{"-debug", "127.0.0.1:0", "-bandwidth", "100", "-call-timeout", "1h", "-progress-interval", "1ms"}, sites(t, 1)...)...)
			if got := m.told(); got[0] != "READY=1" || got[1] != "STATUS=mirroring; subscribers at "+p.addr || len(got) != 2 {
				t.Errorf("told %q", got)
			}
			if code, body := fetch(t, p.url+"/healthz"); code != http.StatusOK || body != "ok\n" {
				t.Errorf("ready: %d %q", code, body)
			}
			if code, body := fetch(t, p.url+"/metrics"); code != http.StatusOK || !strings.Contains(body, "\nmomserver_events_published_total ") {
				t.Errorf("%d %s", code, body)
			}
			release := stall(t, p.addr)
			p.signal(syscall.SIGTERM)
			if got := m.told(); got[0] != "STOPPING=1" || !strings.HasPrefix(got[1], "STATUS=") {
				t.Errorf("told %q", got)
			}
			for { // until it has drained, when fetch fails
				code, body := fetch(t, p.url+"/healthz")
				if code == http.StatusServiceUnavailable && strings.Contains(body, "shutting down") {
					break
				}
				if code != http.StatusOK {
					t.Fatalf("stopping: %d %q", code, body)
				}
			}
			release()
			if code, stderr := p.wait(); code != exitOK || strings.Contains(stderr, "level=WARN") || strings.Contains(stderr, "level=ERROR msg=\"the debug") {
				t.Errorf("exit %d\n%s", code, stderr)
			}
			if nc, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://")); err == nil {
				nc.Close()
				t.Error("the pages are still there")
			}
		})
	}
}

// TestServiceOnce tells the manager of a run that ends by itself, once.
func TestServiceOnce(t *testing.T) {
	dir, err := os.MkdirTemp("", "mom")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := listenNotify(t, filepath.Join(dir, "notify"))
	p := startIn(t, []string{"NOTIFY_SOCKET=" + filepath.Join(dir, "notify")}, append([]string{"-once"}, sites(t, 1)...)...)
	if code, stderr := p.wait(); code != exitOK {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		if got := m.told(); got[0] != want {
			t.Errorf("told %q; want %s", got, want)
		}
	}
	m.nothing()
}

// TestStopping tells the manager as soon as the signal is there, whatever else
// goes on, and not again at the end.
func TestStopping(t *testing.T) {
	dir, err := os.MkdirTemp("", "mom")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := listenNotify(t, filepath.Join(dir, "notify"))
	ctx, signal := context.WithCancel(t.Context())
	stopping := notifier{socket: filepath.Join(dir, "notify")}.ready(ctx, m.conn.LocalAddr())
	m.told()
	signal()
	if got := m.told(); got[0] != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
	stopping()
	m.nothing()
}

// TestServiceUntold runs all the same when the manager cannot be told, and says
// so.
func TestServiceUntold(t *testing.T) {
	p := startIn(t, []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "none")}, append([]string{"-once"}, sites(t, 1)...)...)
	if code, stderr := p.wait(); code != exitOK || !strings.Contains(stderr, "cannot tell the service manager") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}
