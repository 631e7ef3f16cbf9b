package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// second adds a server with the name to the page, with a job of the number. Its events
// are those of a jobs.Tracker of its own, so it may have the same job.
func (r *testPage) second(name string, job int) *board.Board {
	r.t.Helper()
	b := board.New(name, name, jobs.Options{})
	r.s.boards = append(r.s.boards, b)
	e := wire.Event{Seq: 1, Epoch: id(2000), JobID: id(job), RunID: id(900 + job)}
	e.Data.Initialize = &wire.InitializeData{Name: fmt.Sprintf("job %d", job)}
	e.Data.Status = wire.Status{State: wire.JobInitialized, ReceivedTime: time.Now()}
	b.Event(&e)
	if err := r.s.Event(name, &e); err != nil {
		r.t.Fatal(err)
	}
	return b
}

// TestHealth answers with 200 while events come from all servers, or from the one
// that is asked for, and with 503 otherwise.
func TestHealth(t *testing.T) {
	r := newTestPage(t)
	is := func(target string, code int, status string, up ...bool) {
		t.Helper()
		var health struct {
			Status     string
			Connection board.Connection
			Servers    []board.Connection
		}
		w := r.get(target, &health)
		if w.Code != code || health.Status != status || len(health.Servers) != len(up) {
			t.Errorf("%s: %d %+v", target, w.Code, health)
			return
		}
		for i, c := range health.Servers {
			if c.Connected != up[i] {
				t.Errorf("%s: %+v", target, c)
			}
		}
		if health.Connection != health.Servers[0] {
			t.Errorf("%s: the connection is %+v", target, health.Connection)
		}
	}
	is("/healthz", http.StatusServiceUnavailable, "down", false)
	r.connect()
	is("/healthz", http.StatusOK, "ok", true)
	other := r.second("b:1", 7)
	is("/healthz", http.StatusServiceUnavailable, "degraded", true, false)
	is("/healthz?server=S", http.StatusOK, "ok", true)
	is("/healthz?server=b:1", http.StatusServiceUnavailable, "down", false)
	other.Status(momclient.ConnectionStatus{Kind: momclient.Connected, Time: time.Now(), Epoch: id(2000)})
	is("/healthz", http.StatusOK, "ok", true, true)
	r.b.Status(momclient.ConnectionStatus{Kind: momclient.Lost, Time: time.Now(), Err: errors.New("cut")})
	is("/healthz", http.StatusServiceUnavailable, "degraded", false, true)
	if w := r.get("/healthz?server=none", nil); w.Code != http.StatusNotFound {
		t.Errorf("of no server: %d", w.Code)
	}
}

// TestJobs answers with the view of the board, with names as they are.
func TestJobs(t *testing.T) {
	r := newTestPage(t)
	r.connect()
	r.event(1, wire.JobInitialized, func(e *wire.Event) { e.Data.Initialize.Name = `<img src=x onerror="alert(1)">` })
	var view board.View
	w := r.get("/api/jobs", &view)
	if len(view.Jobs) != 1 || view.Jobs[0].Name != `<img src=x onerror="alert(1)">` || view.Counts.Running != 1 || !view.Connection.Connected || view.Stream.Epoch != id(1000) {
		t.Errorf("%+v", view)
	}
	if strings.Contains(w.Body.String(), "<img") {
		t.Error("a browser that took it for a page would find markup")
	}
	r.event(1, wire.ExportingError, func(e *wire.Event) {
		e.Data.Initialize.DryRun, e.Data.Progress, e.Data.Status.Outcome = true, wire.Progress{}, wire.Cancelled
	})
	text := r.get("/api/jobs", &view).Body.String()
	for _, part := range []string{`"running":false,"outcome":"Cancelled"`, `"dryRun":true`, `"known":false,"fraction":0`, `"cancelled":1`, `"jobs":[{"server":"S","id"`, `"servers":[{`} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
}

// TestJobsOfServers: the same job of two servers is two jobs, in the answers and on
// the pages. Those that run come first.
func TestJobsOfServers(t *testing.T) {
	r := newTestPage(t)
	r.connect()
	r.event(1, wire.JobInitialized)
	r.event(1, wire.ExportingError, logged(wire.SeverityError, "broken"))
	r.second("b:1", 1)
	var a jobsAnswer
	r.get("/api/jobs", &a)
	if len(a.Jobs) != 2 || a.Jobs[0].Server != "b:1" || a.Jobs[1].Server != "S" || a.Jobs[0].ID != a.Jobs[1].ID || a.Counts != (jobs.Counts{Running: 1, Failed: 1}) {
		t.Errorf("%+v", a)
	}
	if len(a.Servers) != 2 || !a.Servers[0].Connected || a.Servers[1].Name != "b:1" || len(a.Problems) == 0 || a.Problems[0].Server != "S" {
		t.Errorf("%+v", a)
	}
	var events answer
	if r.get("/api/events", &events); len(events.Events) != 3 || !strings.HasPrefix(string(events.Events[2]), `{"server":"b:1",`) {
		t.Errorf("%s", events.Events)
	}
	state := r.state(topicKey{})
	for _, part := range []string{"server/0", "server/1", "job/0/" + id(1).String(), "job/1/" + id(1).String(), "log/0/1"} {
		if state[part] == nil {
			t.Errorf("no %s in the overview", part)
		}
	}
	for query, want := range map[string]string{
		"":            `"0"` + id(1).String(), // the first server that has it
		"&server=S":   `"0"` + id(1).String(),
		"&server=b:1": `"1"` + id(901).String(),
		"&server=no":  `""`,
	} {
		values, _ := url.ParseQuery("job=" + id(1).String() + query)
		key, err := r.s.parseKey(values)
		if err != nil {
			t.Fatal(err)
		}
		state := r.state(key)
		if got := `"` + string(state["server"]) + `"` + strings.Trim(string(state["shown"]), `"`); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	r.past(1, 101, time.Hour, wire.Succeeded, 5)
	r.runs.Add(&runlog.Run{Server: "b:1", JobID: id(1), Job: "job 1", RunID: id(801), Ended: time.Now(), Outcome: wire.Succeeded})
	var runs runsAnswer
	if r.get("/api/runs?job=job+1&server=b:1", &runs); len(runs.Jobs) != 1 || runs.Jobs[0].Server != "b:1" {
		t.Errorf("%+v", runs)
	}
}
