package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// servePage serves a page at the address, and returns where it is and what was
// said on stderr.
func servePage(t *testing.T, addr string) (p *pageServer, url, said string) {
	t.Helper()
	c, err := parseFlags([]string{"-http", addr})
	if err != nil {
		t.Fatal(err)
	}
	var stderr buffer
	if p, err = c.startPage(board.New(board.Options{}), &stderr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	said = stderr.String()
	_, url, _ = strings.Cut(said, "the page is at ")
	url, _, _ = strings.Cut(url, "/\n")
	return p, url, said
}

// fetch gets a page with the Host, "" for the address's own.
func fetch(t *testing.T, url, host string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
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

// TestPageAddress is on loopback unless told otherwise, and warns then.
func TestPageAddress(t *testing.T) {
	for _, addr := range []string{":0", "127.0.0.1:0", "localhost:0"} {
		if _, url, said := servePage(t, addr); !strings.HasPrefix(url, "http://127.0.0.1:") && !strings.HasPrefix(url, "http://[::1]:") || strings.Contains(said, "warning") {
			t.Errorf("%s: %s", addr, said)
		}
	}
	if _, _, said := servePage(t, "0.0.0.0:0"); !strings.Contains(said, "warning: the page can be reached from other machines") || !strings.Contains(said, "-http 127.0.0.1:PORT") {
		t.Error(said)
	}
}

// TestPageGuard lets the user in, and no page whose name was made to point
// here.
func TestPageGuard(t *testing.T) {
	_, url, _ := servePage(t, "127.0.0.1:0")
	for host, want := range map[string]int{"": http.StatusOK, "localhost:8420": http.StatusOK, "evil.example:8420": http.StatusForbidden} {
		for _, path := range []string{"/", "/api/jobs", "/api/events"} {
			if code, body := fetch(t, url+path, host); code != want || want != http.StatusOK && !strings.Contains(body, "-http NAME:PORT") {
				t.Errorf("%s of %q: %d %.100q", path, host, code, body)
			}
		}
	}
}

// TestPageAddressInUse exits 1 and says what to do.
func TestPageAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, out, errs := command(t, "-http", l.Addr().String())
	if code != exitFailed || out != "" || !strings.Contains(errs, "cannot listen on "+l.Addr().String()) || !strings.Contains(errs, "name another address with -http") {
		t.Errorf("exit %d %q %q", code, out, errs)
	}
}

// TestPageBeside shows every event of the jobs on the page, and prints those
// that -state lets pass, from the oldest on; it ends as without a page.
func TestPageBeside(t *testing.T) {
	srv, addr := serveTCP(t, momserver.Config{})
	j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"})
	if err == nil {
		err = j.Complete()
	}
	if err != nil {
		t.Fatal(err)
	}
	var out, errs buffer
	m, err := newMonitor([]string{"-addr", addr, "-http", "127.0.0.1:0", "-o", "json", "-state", "JobCompleted", "-from", "oldest", "-exit-when-done", "-job", "site"}, noEnv, &out, &errs)
	if err != nil {
		t.Fatal(err)
	}
	if !m.opts.Filter.IsZero() {
		t.Errorf("the server leaves out %+v", m.opts.Filter)
	}
	if code := m.run(t.Context(), &out); code != exitOK {
		t.Errorf("exit %d\n%s", code, &errs)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "MirroringJobCompleted") {
		t.Errorf("printed %q", lines)
	}
	if v := m.board.View(); len(v.Jobs) != 1 || v.Connection.Events != 2 || v.Jobs[0].Run.Phase != board.Completed {
		t.Errorf("the board has %+v", v)
	}
	w := httptest.NewRecorder()
	m.page.web.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/events", nil))
	if n := strings.Count(w.Body.String(), `"seq":`); n != 2 {
		t.Errorf("the page has %d events: %s", n, w.Body)
	}
}

// TestPageFrom begins with the oldest event, so that jobs that have ended are
// shown, unless ends are waited for or -from says otherwise.
func TestPageFrom(t *testing.T) {
	for _, tc := range []struct {
		args string
		want wire.From
	}{
		{"-o json", wire.FromNow}, {"-o json -http :0", wire.FromOldest}, {"-o json -http :0 -from now", wire.FromNow}, {"-o json -http :0 -exit-when-done", wire.FromNow},
	} {
		if m, err := newMonitor(strings.Fields(tc.args), noEnv, io.Discard, io.Discard); err != nil || m.opts.From != tc.want {
			t.Errorf("%s: %v", tc.args, err)
		}
	}
}

// TestPageStop ends at once with a stream that is open, and one connection on
// which nothing is said.
func TestPageStop(t *testing.T) {
	p, url, _ := servePage(t, "127.0.0.1:0")
	resp, err := http.Get(url + "/api/live")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	silent, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p.stop()
	silent.SetReadDeadline(time.Now().Add(2 * time.Minute))
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the silent connection: %v", err)
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Errorf("the stream was cut off: %v", err)
	}
}
