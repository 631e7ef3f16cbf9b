//go:build unix

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nginx starts the proxy nginx with the locations of its configuration, and returns its
// URL. It skips the test if there is no nginx.
func nginx(t *testing.T, locations string) (url string) {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Skip("no nginx here: Debian has it as nginx-light")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	dir := t.TempDir()
	text := fmt.Sprintf(`pid %[1]s/pid; error_log stderr; daemon off; events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server { listen %[2]s; %[3]s }
}`, dir, l.Addr(), locations)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-c", file, "-p", dir, "-e", "stderr")
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Env = append(os.Environ(), "NGINX=3;") // nginx takes over the open socket, so that nobody else can take the port
	p := launch(t, sameNamespace, cmd)
	t.Cleanup(func() { p.signal(syscall.SIGTERM); cmd.Wait() }) // with its worker process
	return "http://" + l.Addr().String()
}

// ask sends a GET request with the given Host, or with that of the URL if host is "".
func ask(t *testing.T, url, host string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestProxy looks at the page and at the debug pages through nginx with its
// defaults: below a path, and with the Host that the browser named.
func TestProxy(t *testing.T) {
	t.Parallel()
	src, dst := tree(t, 5)
	const name = "mirror.example"
	server, addr := serve(t, "", "-every", "1h", "-debug", "127.0.0.1:0", "-http-host", name, src, dst)
	monitor := start(t, "momclient", "-addr", addr, "-o", "json", "-http", "127.0.0.1:0", "-http-host", "other.example", "-http-host", name, "-period", "1s")
	page, debug := pageOf(monitor), server.word("url=")
	url := nginx(t, fmt.Sprintf(`
		location /mom/ { proxy_pass %[1]s; }
		location /ops/ { proxy_pass %[2]s; }
		location /named/mom/ { proxy_pass %[1]s; proxy_set_header Host $host; }
		location /named/ops/ { proxy_pass %[2]s; proxy_set_header Host $host; }`, page, debug))
	t.Run("Host", func(t *testing.T) {
		for _, path := range []string{"/named/mom/api/jobs", "/named/ops/metrics"} {
			for host, want := range map[string]int{name: http.StatusOK, "evil.example": http.StatusForbidden} {
				resp := ask(t, url+path, host)
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != want || (want == http.StatusForbidden) != strings.Contains(string(body), "-http-host NAME") {
					t.Errorf("%s of %s: %s, %v, %.200s", path, host, resp.Status, err, body)
				}
			}
		}
	})
	t.Run("Browser", func(t *testing.T) {
		b := newBrowser(t)
		b.open(url + "/mom/")
		b.reads("1 succeeded")
		b.click(".jobs .job a")
		b.until("its page", "document.querySelector('.runs tbody a')")
		b.click(".crumbs a")
		b.until("the overview", "document.querySelector('.jobs')")
		b.until("a style and an icon", "getComputedStyle(document.querySelector('.skip')).position === 'absolute' && document.querySelector('.home img').naturalWidth > 0")
		var single int
		b.js(&single, "return performance.getEntriesByType('resource').filter(r => r.name.includes('&once')).length")
		if single != 0 {
			t.Error("the page asks for single frames, though it could have a stream")
		}
		b.quiet()
		for path, want := range map[string]string{"metrics": "momserver_serving 1", "debug/pprof/": "goroutine"} {
			b.open(url + "/ops/")
			b.click("a[href='" + path + "']")
			b.reads(want)
		}
		b.open(url + "/ops/debug/pprof/")
		b.click("a[href^=heap]")
		b.reads("heap profile:")
		b.open("about:blank")
	})
}

// TestProxyStream: nginx with its defaults passes on each frame at once. Without the
// header that asks for this, it would keep back the few frames of a server without
// jobs for minutes.
func TestProxyStream(t *testing.T) {
	t.Parallel()
	s := newPageServer(t)
	resp := ask(t, nginx(t, "location / { proxy_pass "+s.monitor()+"; }")+"/api/live", "")
	lines := bufio.NewReader(resp.Body)
	for line, err := "", error(nil); line != "event: beat\n"; {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}
