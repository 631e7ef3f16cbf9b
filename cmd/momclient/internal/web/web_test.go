package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// testPage is a Server with a board, which the test drives.
type testPage struct {
	t *testing.T
	b *board.Board
	s *Server
	n uint64

	runs      *runlog.Log
	receivers []notify.Status
}

func newTestPage(t *testing.T) *testPage {
	b := board.New("S", "", jobs.Options{})
	encode := func(e *wire.Event) ([]byte, error) { return json.Marshal(e) }
	runs, err := runlog.Open("", nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &testPage{t: t, b: b, runs: runs}
	r.s = New(Options{Boards: []*board.Board{b}, JSON: encode, Runs: runs, Receivers: func() []notify.Status { return r.receivers }})
	return r
}

func id(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }

// connect gives the board a connection.
func (r *testPage) connect() {
	r.b.Status(momclient.ConnectionStatus{Kind: momclient.Connected, Time: time.Now(), Server: "mirror.example:7420", Epoch: id(1000)})
}

// event adds the next event, of a run of the job with the same number.
func (r *testPage) event(run int, state wire.State, set ...func(*wire.Event)) {
	r.t.Helper()
	r.n++
	now := time.Now()
	e := wire.Event{Seq: r.n, Epoch: id(1000), JobID: id(run % 100), RunID: id(run)}
	e.Data.Initialize = &wire.InitializeData{Name: fmt.Sprintf("job %d", run%100)}
	e.Data.Status = wire.Status{State: state, SentTime: now, ReceivedTime: now, Final: state.EndsRun(false)}
	for _, set := range set {
		set(&e)
	}
	r.b.Event(&e)
	if err := r.s.Event("S", &e); err != nil {
		r.t.Fatal(err)
	}
}

func of(number int) func(*wire.Event) {
	return func(e *wire.Event) { e.Data.Header = &wire.PackageHeader{Number: number, FileSize: 500} }
}

func logged(severity wire.Severity, message string) func(*wire.Event) {
	return func(e *wire.Event) {
		e.Data.Status.Log = append(e.Data.Status.Log, wire.LogEntry{Severity: severity, Message: message})
	}
}

// get requests target, and decodes the answer's JSON into value.
func (r *testPage) get(target string, value any) *httptest.ResponseRecorder {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	if value != nil {
		if err := json.Unmarshal(w.Body.Bytes(), value); err != nil || w.Header().Get("Content-Type") != "application/json" {
			r.t.Errorf("%s: %v in %.200q", target, err, w.Body)
		}
	}
	return w
}

// TestHeaders checks the headers of all answers, including errors.
func TestHeaders(t *testing.T) {
	r := newTestPage(t)
	for _, target := range []string{"/", "/app.js", "/style.css", "/icon.svg", "/api/jobs", "/api/events", "/healthz", "/none", "/api/live?job=none"} {
		head := r.get(target, nil).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "",
		} {
			if got := head.Get(name); got != want {
				t.Errorf("%s: %s %q", target, name, got)
			}
		}
		csp := head.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !slices.Contains(strings.Split(csp, "; "), want) {
				t.Errorf("%s: no %q in %q", target, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Error(csp)
		}
	}
}

// TestMethods allows only GET and HEAD.
func TestMethods(t *testing.T) {
	r := newTestPage(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch, "NONSENSE"} {
		w := httptest.NewRecorder()
		r.s.ServeHTTP(w, httptest.NewRequest(method, "/api/jobs", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	for _, target := range []string{"/", "/api/jobs", "/api/live", "/healthz"} {
		w := httptest.NewRecorder()
		r.s.ServeHTTP(w, httptest.NewRequest(http.MethodHead, target, nil)) // GET of a stream would not return
		if w.Code == http.StatusMethodNotAllowed {
			t.Errorf("HEAD %s: %d", target, w.Code)
		}
	}
}

// TestPage serves each file with its type, and lets browsers cache it.
func TestPage(t *testing.T) {
	r := newTestPage(t)
	for target, kind := range map[string]string{"/": "text/html", "/app.js": "text/javascript", "/words.js": "text/javascript", "/style.css": "text/css", "/icon.svg": "image/svg+xml"} {
		w := r.get(target, nil)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s", target, w.Code, w.Header())
		}
		again := httptest.NewRequest(http.MethodGet, target, nil)
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		if r.s.ServeHTTP(w, again); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
			t.Errorf("%s again: %d", target, w.Code)
		}
	}
	for _, target := range []string{"/none", "/page/app.js", "/api", "/api/jobs/", "/../web.go"} {
		if w := r.get(target, nil); w.Code == http.StatusOK {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

// TestPageAlone: the page loads nothing from elsewhere, has no scripts and
// styles in its markup, and makes no markup of texts.
func TestPageAlone(t *testing.T) {
	files, err := page.ReadDir("page")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := page.ReadFile("page/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		clean := strings.NewReplacer("http://www.w3.org/2000/svg", "").Replace(string(text))
		for _, bad := range []string{"http:", "https:", "//cdn", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "style=", " onload=", " onclick=", "<style", "srcdoc", "@import", "url("} {
			if strings.Contains(clean, bad) {
				t.Errorf("%s has %s", f.Name(), bad)
			}
		}
	}
}
