//go:build unix

package e2e

import (
	"fmt"
	"io"
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

// manager is the socket of a service manager.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// listenNotify listens at a socket with the name, which is a path or an
// abstract name.
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

// nothing checks that there is no further datagram.
func (m manager) nothing() {
	m.t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // a datagram would be there already
	if n, err := m.conn.Read(make([]byte, 100)); err == nil {
		m.t.Errorf("told %d bytes more", n)
	}
}

// startNotifying starts momserver with the socket of its service manager.
func startNotifying(t *testing.T, socket string, args ...string) *process {
	t.Helper()
	src, dst := tree(t, 10)
	cmd := command("momserver", append(append([]string{"-addr", "127.0.0.1:0"}, args...), src, dst)...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	return launch(t, sameNamespace, cmd)
}

func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	resp, err := http.Get(url)
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

// TestService follows the life of a service. The manager is told that the
// service is ready, and the health page says so. After SIGTERM the manager is
// told that the service stops, and the page says so while a subscriber has not
// received everything. When that subscriber has gone, the server ends, and the
// pages with it.
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
			p := startNotifying(t, name, "-debug", "127.0.0.1:0", "-bandwidth", "100", "-call-timeout", "1h", "-progress-interval", "1ms")
			addr, url := p.word("addr="), strings.TrimSuffix(p.word("url="), "/")
			if got := m.told(); got[0] != "READY=1" || got[1] != "STATUS=mirroring; subscribers at "+addr || len(got) != 2 {
				t.Errorf("told %q", got)
			}
			if code, body := get(t, url+"/healthz"); code != http.StatusOK || body != "ok\n" {
				t.Errorf("ready: %d %q", code, body)
			}
			if code, body := get(t, url+"/metrics"); code != http.StatusOK || !strings.Contains(body, "\nmomserver_events_published_total ") {
				t.Errorf("%d %s", code, body)
			}
			release := stall(t, addr)
			p.signal(syscall.SIGTERM)
			if got := m.told(); got[0] != "STOPPING=1" || !strings.HasPrefix(got[1], "STATUS=") {
				t.Errorf("told %q", got)
			}
			for { // the page answers until the drain is over
				code, body := get(t, url+"/healthz")
				if code == http.StatusServiceUnavailable && strings.Contains(body, "shutting down") {
					break
				}
				if code != http.StatusOK {
					t.Fatalf("stopping: %d %q", code, body)
				}
			}
			release()
			p.exits(0)
			log := p.stderr.String()
			if strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, `level=WARN msg="mirroring was interrupted"`) || strings.Contains(log, "level=ERROR") {
				t.Error(log)
			}
			if nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
				nc.Close()
				t.Error("the pages are still there")
			}
		})
	}
}

// TestServiceOnce tells the manager once of a server that ends by itself.
func TestServiceOnce(t *testing.T) {
	dir, err := os.MkdirTemp("", "mom")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := listenNotify(t, filepath.Join(dir, "notify"))
	startNotifying(t, filepath.Join(dir, "notify"), "-once").exits(0)
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		if got := m.told(); got[0] != want {
			t.Errorf("told %q; want %s", got, want)
		}
	}
	m.nothing()
}

// TestServiceUntold: the server runs although it cannot tell the manager, and
// logs a warning.
func TestServiceUntold(t *testing.T) {
	startNotifying(t, filepath.Join(t.TempDir(), "none"), "-once").exits(0, "cannot tell the service manager")
}
