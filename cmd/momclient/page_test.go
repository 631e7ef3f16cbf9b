package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/momclient/jobs"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestPageAddress prints where the page is, and warns if other machines can reach
// it.
func TestPageAddress(t *testing.T) {
	for addr, warns := range map[string]bool{":0": false, "localhost:0": false, "0.0.0.0:0": true} {
		c, err := parseFlags([]string{"-http", addr})
		if err != nil {
			t.Fatal(err)
		}
		var stderr buffer
		_, server, err := c.startPage([]*board.Board{board.New("S", "", jobs.Options{})}, new(recording), &stderr)
		if err != nil {
			t.Fatal(err)
		}
		server.Stop()
		if text := stderr.String(); !strings.Contains(text, "the page is at "+server.URL()+"\n") || strings.Contains(text, "-http 127.0.0.1:PORT") != warns {
			t.Errorf("%s: %s", addr, text)
		}
	}
}

// TestPageAddressInUse exits with 1 and says what to do.
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

// TestPageBeside shows all events of the jobs on the page, prints those that
// -state selects, from the oldest on, and ends as it does without a page.
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
	if !m.connections[0].Opts.Filter.IsZero() {
		t.Errorf("the server leaves out %+v", m.connections[0].Opts.Filter)
	}
	if code := m.run(t.Context(), &out); code != exitOK {
		t.Errorf("exit %d\n%s", code, &errs)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "MirroringJobCompleted") {
		t.Errorf("printed %q", lines)
	}
	if v := m.boards[0].View(); len(v.Jobs) != 1 || v.Connection.Events != 2 || v.Jobs[0].Run.Outcome != wire.Succeeded {
		t.Errorf("the board has %+v", v)
	}
	w := httptest.NewRecorder()
	m.page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/events", nil))
	if n := strings.Count(w.Body.String(), `"seq":`); n != 2 {
		t.Errorf("the page has %d events: %s", n, w.Body)
	}
}

// TestPageFrom begins at the oldest event, so that the page has jobs that ended
// before, unless -exit-when-done or -from is given.
func TestPageFrom(t *testing.T) {
	for _, tc := range []struct {
		args string
		want wire.From
	}{
		{"-o json", wire.FromNow}, {"-o json -http :0", wire.FromOldest}, {"-o json -http :0 -from now", wire.FromNow}, {"-o json -http :0 -exit-when-done", wire.FromNow},
	} {
		if m, err := newMonitor(strings.Fields(tc.args), noEnv, io.Discard, io.Discard); err != nil || m.connections[0].Opts.From != tc.want {
			t.Errorf("%s: %v", tc.args, err)
		}
	}
}
