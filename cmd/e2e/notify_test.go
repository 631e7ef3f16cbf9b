//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// message is a message that a receiver got.
type message struct {
	ID, Type, Server string
	Data             struct {
		Job, RunID, Text string
		Count            int
	}
}

func (m *message) kind() string { return strings.TrimPrefix(m.Type, "mom.alert.") }

// receiver is an HTTP server that takes messages, or answers as the test says.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex // guards the fields below
	taken  []message
	tries  int
	answer func(try int, w http.ResponseWriter) (taken bool) // nil: takes all
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		text, err := io.ReadAll(req.Body)
		var m message
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err != nil {
			return // the monitor was killed
		}
		if id := req.Header.Get("Idempotency-Key"); id != m.ID {
			t.Errorf("the header has the ID %s, the message %s", id, m.ID)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tries++
		if r.answer == nil || r.answer(r.tries, w) {
			r.taken = append(r.taken, m)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) messages() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// has reports whether the receiver has a message of the kind about the job.
func (r *receiver) has(kind, job string) bool {
	for _, m := range r.messages() {
		if m.kind() == kind && m.Data.Job == job {
			return true
		}
	}
	return false
}

// oneRun lets the server run the job, to its end or to an error.
func oneRun(t *testing.T, srv *momserver.Server, job string, failure error) {
	t.Helper()
	j, err := srv.StartJob(jobID(job), wire.InitializeData{Name: job})
	if err == nil && failure != nil {
		err = j.Fail(failure)
	} else if err == nil {
		err = j.Complete()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// settle waits until the monitor sends messages about new events.
func settle(t *testing.T, srv *momserver.Server, monitor *process, r *receiver) {
	t.Helper()
	monitor.says("connected")
	oneRun(t, srv, "probe", errors.New("bad"))
	monitor.eventually("the first message", func() bool { return r.has("failed", "probe") })
}

type historyLine struct{ Job, RunID, Outcome, Server string }

// historyOf returns the lines of a history that no monitor writes any more. It leaves
// out one that was cut off when a monitor was killed.
func historyOf(t *testing.T, path string) (lines []historyLine) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var h historyLine
		if json.Unmarshal(line, &h) == nil {
			lines = append(lines, h)
		}
	}
	return lines
}

// linesOf returns the lines of a history that is being written, and what follows them.
func linesOf(path string) []string {
	text, _ := os.ReadFile(path)
	return strings.SplitAfter(string(text), "\n")
}

// TestNotifyKilled kills the monitor again and again, while jobs fail and recover,
// and while the receiver is slow, answers with errors, or asks for a pause. In the
// end the receiver has each message, in order for each job; a message that it has
// twice has the same ID; and the history has each run once.
func TestNotifyKilled(t *testing.T) {
	t.Parallel()
	srv, addr := serveHere(t, momserver.Config{CacheEvents: 1_000_000})
	r := newReceiver(t)
	dir := t.TempDir()
	history := filepath.Join(dir, "history")
	cursor := filepath.Join(dir, "cursor")
	args := []string{"-addr", addr, "-o", "json", "-cursor", cursor, "-history", history, "-notify", r.URL + "/secret", "-period", "1s"}
	monitor := start(t, "momclient", args...)
	settle(t, srv, monitor, r)
	r.mu.Lock()
	r.answer = func(try int, w http.ResponseWriter) bool {
		switch {
		case try%31 == 3:
			w.WriteHeader(http.StatusInternalServerError)
			return false
		case try%31 == 17:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return false
		}
		return true
	}
	r.mu.Unlock()

	lives := 40
	if os.Getenv(envSlow) == "" {
		lives = 12
	}
	jobs := 0
	publish := func(n int) {
		for range n {
			jobs++
			oneRun(t, srv, fmt.Sprint("job ", jobs), errors.New("bad"))
			oneRun(t, srv, fmt.Sprint("job ", jobs), nil)
		}
	}
	for life := range lives {
		messages, lines := len(r.messages()), len(linesOf(history))
		publish(1 + 2*(life%3))
		switch life % 4 {
		case 0: // when some messages have been taken
			monitor.eventually("messages", func() bool { return len(r.messages()) > messages+life%3 })
		case 1: // when a run is in the history
			monitor.eventually("runs", func() bool { return len(linesOf(history)) > lines })
		case 2: // when the cursor of the last event is saved
			monitor.eventually("the cursor", func() bool { return kept(t, cursor).Seq == uint64(2+4*jobs) })
		}
		monitor.kill()
		if life%3 == 0 {
			publish(2) // while there is no monitor
		}
		monitor = start(t, "momclient", args...)
	}
	publish(5)
	last := fmt.Sprint("job ", jobs)
	monitor.eventually("the last message", func() bool { return r.has("recovered", last) })
	monitor.signal(syscall.SIGINT)
	monitor.exits(0)
	if strings.Contains(monitor.stderr.String(), "secret") {
		t.Errorf("stderr has the URL: %s", &monitor.stderr)
	}

	ids, first, repeats := make(map[string]string), make(map[string]int), 0
	for i, m := range r.messages() {
		key := m.kind() + " " + m.Data.Job
		if id, has := ids[key]; has {
			if repeats++; id != m.ID {
				t.Errorf("%s came with the IDs %s and %s", key, id, m.ID)
			}
			continue
		}
		ids[key], first[key] = m.ID, i
	}
	for n := range jobs {
		job := fmt.Sprint("job ", n+1)
		if _, has := ids["failed "+job]; !has || first["failed "+job] > first["recovered "+job] {
			t.Errorf("%s: failed is message %d (%v), recovered %d", job, first["failed "+job], has, first["recovered "+job])
		}
	}
	if want := 2*jobs + 1; len(ids) != want {
		t.Errorf("%d different messages, want %d", len(ids), want)
	}
	runs := make(map[string]int)
	for _, h := range historyOf(t, history) {
		runs[h.RunID]++
		if h.Server != addr {
			t.Errorf("the server of %+v", h)
		}
	}
	for id, n := range runs {
		if n != 1 {
			t.Errorf("run %s is in the history %d times", id, n)
		}
	}
	if want := 2*jobs + 1; len(runs) != want {
		t.Errorf("%d runs in the history, want %d", len(runs), want)
	}
	t.Logf("%d messages in %d lives, %d repeated", len(ids), lives, repeats)

	since := "1h"
	if os.Getenv(envStepped) != "" {
		since = "1000h" // the wall clock may have stepped since
	}
	printed := start(t, "momclient", "-o", "runs", "-history", history, "-since", since, "-job", last)
	printed.exits(0)
	if out := printed.stdout.String(); strings.Count(out, "\n") != 2 || !strings.Contains(out, "failed") || !strings.Contains(out, "succeeded") {
		t.Errorf("-o runs prints %s", out)
	}
}

// TestNotifyAtEnd delivers the message about the run for which the monitor has waited
// before the monitor ends. The command that gets it ignores no signals.
func TestNotifyAtEnd(t *testing.T) {
	t.Parallel()
	srv, addr := serveHere(t, momserver.Config{})
	r, file := newReceiver(t), filepath.Join(t.TempDir(), "signals")
	monitor := start(t, "momclient", "-addr", addr, "-o", "json", "-exit-when-done", "-job", "site", "-notify", r.URL, "-notify", "http://127.0.0.1:1/", "-notify", ": > '"+file+"'; kill -PIPE $$; echo it lives >> '"+file+"'")
	monitor.says("connected")
	oneRun(t, srv, "site", errors.New("bad"))
	monitor.exits(1, "http://127.0.0.1:1 was not told: messages that are lost, because there is no -cursor: 1")
	if m := r.messages(); len(m) != 1 || m[0].kind() != "failed" || m[0].Data.Text != "site failed: bad ("+addr+")" {
		t.Errorf("%+v", m)
	}
	if text, err := os.ReadFile(file); err != nil || len(text) > 0 {
		t.Errorf("%s %v", text, err)
	}
}

// TestNotifyPing tells a dead man's switch of the beginning and the end of a run.
func TestNotifyPing(t *testing.T) {
	t.Parallel()
	srv, addr := serveHere(t, momserver.Config{})
	var mu sync.Mutex // guards got
	var got []string
	check := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Method+" "+r.URL.Path)
	}))
	defer check.Close()
	monitor := start(t, "momclient", "-addr", addr, "-o", "json", "-job", "site", "-notify", check.URL+"/uuid", "-notify-format", "ping")
	monitor.says("connected")
	gets := func(want ...string) {
		t.Helper()
		monitor.eventually(strings.Join(want, ", "), func() bool { mu.Lock(); defer mu.Unlock(); return slices.Equal(got, want) })
	}
	oneRun(t, srv, "docs", errors.New("bad"))
	j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"})
	if err != nil {
		t.Fatal(err)
	}
	gets("POST /uuid/start")
	if err := j.Complete(); err != nil {
		t.Fatal(err)
	}
	gets("POST /uuid/start", "POST /uuid")
	oneRun(t, srv, "site", errors.New("bad"))
	gets("POST /uuid/start", "POST /uuid", "POST /uuid/fail")
}

// TestRunLostMeanwhile kills the server in the middle of a run while there is no
// monitor. The next monitor notices that the end of the run will not be seen: in a
// message, in the history, and only once.
func TestRunLostMeanwhile(t *testing.T) {
	t.Parallel()
	src, dst := tree(t, 60)
	server, addr := serve(t, restartable(), "-bandwidth", "20000", src, dst)
	r := newReceiver(t)
	dir := t.TempDir()
	history := filepath.Join(dir, "history")
	args := []string{"-addr", addr, "-o", "json", "-from", "oldest", "-cursor", filepath.Join(dir, "cursor"), "-history", history, "-notify", r.URL, "-period", "1s"}
	monitor := start(t, "momclient", args...)
	monitor.eventually("some events", func() bool { return strings.Count(monitor.stdout.String(), "\n") > 3 })
	monitor.eventually("the beginning of the run on the disk", func() bool { return !kept(t, filepath.Join(dir, "cursor")).IsZero() })
	monitor.kill()
	server.kill()
	empty := t.TempDir()
	serve(t, addr, "-every", "1h", empty, t.TempDir())
	for range 2 {
		monitor = start(t, "momclient", args...)
		monitor.eventually("the loss", func() bool { return len(r.messages()) > 0 && len(linesOf(history)) > 1 })
		monitor.kill()
	}
	ids := make(map[string]bool)
	for _, m := range r.messages() {
		if ids[m.ID] = true; m.kind() != "lost" || !strings.Contains(m.Data.Text, "the end of a run was not seen: the server was restarted") {
			t.Errorf("%+v", m)
		}
	}
	lost := 0
	for _, h := range historyOf(t, history) {
		if h.Outcome == "" {
			lost++
		}
	}
	if len(ids) != 1 || lost != 1 {
		t.Errorf("%d messages, %d runs lost", len(ids), lost)
	}
}

// TestReceiverDown prints events, and notifies another receiver and a command, while
// one receiver does not answer at all and one is down. When that is up again, it
// gets what has waited, even after the monitor was started again.
func TestReceiverDown(t *testing.T) {
	t.Parallel()
	srv, addr := serveHere(t, momserver.Config{})
	up, late := newReceiver(t), newReceiver(t)
	hang := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer silent.Close()
	defer close(hang)
	late.mu.Lock()
	late.answer = func(_ int, w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusBadGateway)
		return false
	}
	late.mu.Unlock()
	dir := t.TempDir()
	args := []string{
		"-addr", addr, "-o", "json", "-cursor", filepath.Join(dir, "cursor"), "-http", "127.0.0.1:0",
		"-notify", up.URL, "-notify", late.URL + "/secret", "-notify", silent.URL, "-notify", "echo $MOM_KIND $MOM_JOB >> '" + filepath.Join(dir, "told") + "'",
	}
	monitor := start(t, "momclient", args...)
	settle(t, srv, monitor, up)
	for n := range 20 {
		oneRun(t, srv, "job "+strconv.Itoa(n), errors.New("bad"))
	}
	monitor.eventually("the last message", func() bool { return up.has("failed", "job 19") })
	monitor.eventually("all events", func() bool { return strings.Count(monitor.stdout.String(), "\n") == 42 })
	monitor.says("cannot notify " + late.URL + ": it answers 502 Bad Gateway; ")
	told := func() string { text, _ := os.ReadFile(filepath.Join(dir, "told")); return string(text) }
	monitor.eventually("the command", func() bool { return strings.Count(told(), "\n") == 21 })
	if !strings.Contains(told(), "failed job 7\n") {
		t.Errorf("the command was told %s", told())
	}
	var status struct {
		Receivers []struct {
			Receiver, Error string
			Waiting, Taken  int
			Oldest          time.Time
		}
	}
	resp, err := http.Get(pageOf(monitor) + "api/notify")
	if err == nil {
		err = json.NewDecoder(resp.Body).Decode(&status)
		resp.Body.Close()
	}
	if err != nil || len(status.Receivers) != 4 {
		t.Fatalf("%+v %v", status, err)
	}
	if s := status.Receivers[1]; s.Receiver != late.URL || s.Waiting != 21 || s.Taken != 0 || s.Oldest.IsZero() || s.Error != "it answers 502 Bad Gateway" {
		t.Errorf("%+v", s)
	}
	if s := status.Receivers[0]; s.Waiting != 0 || s.Taken != 21 {
		t.Errorf("%+v", s)
	}
	monitor.signal(syscall.SIGTERM)
	monitor.exits(0, late.URL+" was not told: messages that wait for the next monitor with this -cursor: 21")
	late.mu.Lock()
	late.answer = nil
	late.mu.Unlock()
	monitor = start(t, "momclient", args...)
	monitor.eventually("what has waited", func() bool { return len(late.messages()) == 21 })
	for i, m := range late.messages()[1:] {
		if want := "job " + strconv.Itoa(i); m.Data.Job != want || m.kind() != "failed" {
			t.Errorf("message %d is %+v", i, m)
		}
	}
	monitor.signal(syscall.SIGTERM)
	monitor.exits(0)
	if n := len(up.messages()); n != 21 {
		t.Errorf("the receiver that was up has %d messages", n)
	}
}
