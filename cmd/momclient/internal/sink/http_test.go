package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/wire"
)

var start = time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)

func id(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

// failure returns an alert with every field set.
func failure() *alert.Alert {
	run := &runlog.Run{Server: "S:7420", JobID: id("site"), Job: "site", RunID: id("run"), Ended: start, Outcome: wire.Failed}
	return &alert.Alert{
		ID: id("alert"), Kind: alert.Failed, Time: start, Server: "S:7420", JobID: id("site"), Job: "site <& docs>", RunID: id("run"),
		Text: "site <& docs> failed: no space left on device (S:7420)", Why: "no space left on device", Since: start, Count: 3, Run: run,
	}
}

// request is a request that a receiver got.
type request struct {
	method, target, body, contentType, id string
}

// receiver is an HTTP server that records requests, and answers as the test says.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex // guards got
	got []request
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		text, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, request{req.Method, req.URL.String(), string(text), req.Header.Get("Content-Type"), req.Header.Get("Idempotency-Key")})
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

func newSink(t *testing.T, value, format string) *Sink {
	t.Helper()
	s, err := New(value, format, map[alert.Kind]bool{alert.Failed: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// TestFormats posts each format, with the ID of the alert.
func TestFormats(t *testing.T) {
	dropped := failure()
	dropped.Missed = 2
	for name, tc := range map[string]struct {
		format, contentType, body string
		alert                     *alert.Alert
	}{
		"text":  {"text", "text/plain; charset=utf-8", "site <& docs> failed: no space left on device (S:7420)\n", failure()},
		"drop":  {"text", "text/plain; charset=utf-8", "site <& docs> failed: no space left on device (S:7420) [2 messages before this one dropped]\n", dropped},
		"slack": {"slack", "application/json", `{"text":"site \u0026lt;\u0026amp; docs\u0026gt; failed: no space left on device (S:7420)"}`, failure()},
	} {
		r := newReceiver(t, ok)
		if err := newSink(t, r.URL+"/hook?token=x", tc.format).Deliver(t.Context(), tc.alert); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := request{"POST", "/hook?token=x", tc.body, tc.contentType, id("alert").String()}
		if got := r.requests(); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	r := newReceiver(t, ok)
	if err := newSink(t, r.URL, "cloudevents").Deliver(t.Context(), failure()); err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	got := r.requests()[0]
	if err := json.Unmarshal([]byte(got.body), &e); err != nil || got.contentType != "application/cloudevents+json; charset=utf-8" {
		t.Fatalf("%v in %+v", err, got)
	}
	for name, want := range map[string]string{
		"specversion": "1.0", "id": id("alert").String(), "source": id("site").URN(), "type": "mom.alert.failed", "subject": id("run").String(),
		"time": "2026-11-26T22:00:00Z", "datacontenttype": "application/json", "server": "S:7420",
	} {
		if e[name] != want {
			t.Errorf("%s is %v, want %s", name, e[name], want)
		}
	}
	if data := e["data"].(map[string]any); data["why"] != "no space left on device" || data["run"].(map[string]any)["outcome"] != "Failed" {
		t.Errorf("data %v", data)
	}
}

// TestServerAlert is a CloudEvent whose source is the server.
func TestServerAlert(t *testing.T) {
	text, err := encodeCloudEvent(&alert.Alert{ID: id("alert"), Kind: alert.Lost, Time: start, Server: "mirror.example:7420"})
	if err != nil || !strings.Contains(string(text), `"source":"mom://mirror.example:7420"`) || strings.Contains(string(text), "subject") {
		t.Errorf("%s %v", text, err)
	}
}

// TestPing posts to the addresses of a dead man's switch, and to none for an alert
// that is not about a run.
func TestPing(t *testing.T) {
	r := newReceiver(t, ok)
	s := newSink(t, r.URL+"/uuid?x=1", "ping")
	for kind, want := range map[alert.Kind]string{
		alert.Started: "/uuid/start?x=1", alert.Succeeded: "/uuid?x=1", alert.Broken: "/uuid/fail?x=1",
		alert.Completed: "", alert.Failed: "", alert.Lost: "", alert.Recovered: "", alert.Stale: "", alert.Stalled: "",
	} {
		a := failure()
		a.Kind = kind
		if got := s.Takes(a); got != (want != "") {
			t.Errorf("it takes %s: %v", kind, got)
		}
		if want == "" {
			continue
		}
		if err := s.Deliver(t.Context(), a); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if got := r.requests(); got[len(got)-1].target != want {
			t.Errorf("%s goes to %s, want %s", kind, got[len(got)-1].target, want)
		}
	}
	if s.Takes(&alert.Alert{Kind: alert.Lost, Server: "S"}) {
		t.Error("it takes the loss of the server")
	}
	of := func(job string, kind alert.Kind) *alert.Alert { return &alert.Alert{JobID: id(job), Kind: kind} }
	for _, tc := range []struct {
		next, old *alert.Alert
		want      bool
	}{
		{of("a", alert.Succeeded), of("a", alert.Started), true}, {of("a", alert.Succeeded), of("a", alert.Succeeded), true}, {of("a", alert.Succeeded), of("a", alert.Broken), false},
		{of("a", alert.Broken), of("a", alert.Broken), true}, {of("a", alert.Broken), of("a", alert.Succeeded), true}, {of("a", alert.Broken), of("b", alert.Broken), false},
		{of("a", alert.Started), of("a", alert.Started), true}, {of("a", alert.Started), of("a", alert.Succeeded), false}, {of("a", alert.Started), of("a", alert.Broken), false},
	} {
		if got := s.Replaces(tc.next, tc.old); got != tc.want {
			t.Errorf("%s of %s replaces %s of %s: %v", tc.next.Kind, tc.next.JobID, tc.old.Kind, tc.old.JobID, got)
		}
	}
}

// TestAnswers returns an error for each answer that does not say that the message
// was taken, and says what the answer says. No error has the URL.
func TestAnswers(t *testing.T) {
	answer := func(code int, header, value, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(code)
			io.WriteString(w, text)
		}
	}
	const cannot = "which would drop the message; give -notify the URL to which it redirects"
	for name, tc := range map[string]struct {
		answer  http.HandlerFunc
		want    string // "" for none
		later   time.Duration
		refuses bool
	}{
		"200":             {answer(200, "", "", "ok"), "", 0, false},
		"202":             {answer(202, "", "", ""), "", 0, false},
		"500":             {answer(500, "", "", "out of order\nmore"), "it answers 500 Internal Server Error: out of order", 0, false},
		"502 in HTML":     {answer(502, "", "", "<html>bad"), "it answers 502 Bad Gateway", 0, false},
		"hostile":         {answer(500, "", "", "a\x1b[31mb"), `it answers 500 Internal Server Error: a\x1b[31mb`, 0, false},
		"long":            {answer(500, "", "", strings.Repeat("x", 1<<20)), "it answers 500 Internal Server Error: " + strings.Repeat("x", maxShown) + "…", 0, false},
		"400":             {answer(400, "", "", "invalid_payload"), "it answers 400 Bad Request: invalid_payload", 0, true},
		"413":             {answer(413, "", "", ""), "it answers 413 Request Entity Too Large", 0, true},
		"404":             {answer(404, "", "", ""), "it answers 404 Not Found", 0, false},
		"429":             {answer(429, "", "", ""), "it answers 429 Too Many Requests", 0, false},
		"429 for 7 s":     {answer(429, "Retry-After", "7", ""), "it answers 429 Too Many Requests", 7 * time.Second, false},
		"503 for 7 s":     {answer(503, "Retry-After", "7", ""), "it answers 503 Service Unavailable", 7 * time.Second, false},
		"429 until":       {answer(429, "Retry-After", start.Add(90*time.Second).Format(http.TimeFormat), ""), "it answers 429 Too Many Requests", 90 * time.Second, false},
		"429 for a year":  {answer(429, "Retry-After", "31536000", ""), "it answers 429 Too Many Requests", maxLater, false},
		"429 in the past": {answer(429, "Retry-After", start.Add(-time.Hour).Format(http.TimeFormat), ""), "it answers 429 Too Many Requests", 0, false},
		"429 nonsense":    {answer(429, "Retry-After", "soon", ""), "it answers 429 Too Many Requests", 0, false},
		"301":             {answer(301, "Location", "https://new.example/secret", ""), "it redirects to https://new.example with 301, " + cannot, 0, false},
		"302":             {answer(302, "Location", "https://new.example/secret", ""), "it redirects to https://new.example with 302, " + cannot, 0, false},
		"303":             {answer(303, "Location", "https://new.example/secret", ""), "it redirects to https://new.example with 303, " + cannot, 0, false},
		"for ever":        {answer(308, "Location", "/again", ""), "it redirects more than 10 times", 0, false},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
		}, "EOF", 0, false},
	} {
		r := newReceiver(t, tc.answer)
		s := newSink(t, r.URL+"/secret", "text")
		u, _ := http.NewRequest("POST", r.URL+"/secret", nil)
		p := newPoster(u.URL, "text")
		p.now = func() time.Time { return start }
		err := p.deliver(t.Context(), failure())
		var later *Later
		var refusal *Refusal
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || err.Error() != tc.want || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if errors.As(err, &refusal) != tc.refuses || errors.As(err, &later) != (tc.later > 0) || later != nil && later.After != tc.later {
			t.Errorf("%s: %#v", name, err)
		}
		if s.Label != r.URL || strings.Contains(s.Key, "secret") {
			t.Errorf("label %s, key %s", s.Label, s.Key)
		}
	}
}

// TestRedirect repeats the POST with its body for 307 and 308, but not from https
// to http.
func TestRedirect(t *testing.T) {
	last := newReceiver(t, ok)
	for _, code := range []int{307, 308} {
		middle := newReceiver(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, last.URL+"/new", code) })
		before := len(last.requests())
		if err := newSink(t, middle.URL+"/old", "text").Deliver(t.Context(), failure()); err != nil {
			t.Errorf("%d: %v", code, err)
		}
		got := last.requests()
		if len(got) != before+1 || got[before].method != "POST" || got[before].target != "/new" || got[before].body != failure().Text+"\n" || got[before].id != id("alert").String() {
			t.Errorf("%d: %+v", code, got)
		}
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, last.URL, http.StatusPermanentRedirect)
	}))
	defer secure.Close()
	u, _ := http.NewRequest("POST", secure.URL, nil)
	p := newPoster(u.URL, "text")
	p.client.Transport = secure.Client().Transport
	if err := p.deliver(t.Context(), failure()); err == nil || !strings.Contains(err.Error(), "it redirects from https to http://") {
		t.Errorf("to http: %v", err)
	}
}

// TestNobody says why nobody answers, without the URL, and ends with its context.
func TestNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := newSink(t, "http://"+l.Addr().String()+"/secret", "text").Deliver(ctx, failure()); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("silent: %v", err)
	}
	l.Close()
	if err := newSink(t, "http://"+l.Addr().String()+"/secret", "text").Deliver(t.Context(), failure()); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("down: %v", err)
	}
	if err := newSink(t, "http://user:secret@nowhere.invalid/secret", "text").Deliver(t.Context(), failure()); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "nowhere.invalid") {
		t.Errorf("unknown: %v", err)
	}
}

// TestSlow waits for an answer that comes late.
func TestSlow(t *testing.T) {
	release := make(chan struct{})
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		<-release
	})
	done := make(chan error)
	s := newSink(t, r.URL, "text")
	go func() { done <- s.Deliver(t.Context(), failure()) }()
	for len(r.requests()) == 0 {
		select {
		case err := <-done:
			t.Fatalf("it ended with %v", err)
		default:
		}
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestBigBody gives all of a message with the longest texts.
func TestBigBody(t *testing.T) {
	r := newReceiver(t, ok)
	a := failure()
	a.Text = strings.Repeat("x", 100_000)
	if err := newSink(t, r.URL, "text").Deliver(t.Context(), a); err != nil || !bytes.HasPrefix([]byte(r.requests()[0].body), []byte(a.Text)) {
		t.Errorf("%v, %d bytes", err, len(r.requests()[0].body))
	}
}

// TestRetryAfter understands seconds and dates.
func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "120": 2 * time.Minute, " 3 ": 3 * time.Second, "1e3": 0, "99999999999999": 0,
		start.Add(time.Minute).Format(http.TimeFormat): time.Minute, start.Add(time.Minute).Format(time.RFC850): time.Minute, start.Add(time.Minute).Format(time.ANSIC): time.Minute,
	} {
		if got := retryAfter(value, start); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
