package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/wire"
)

// past adds a run of the job with the number to the history, which ended so long ago.
func (r *testPage) past(job, run int, ago time.Duration, outcome wire.Outcome, files int) {
	ended := time.Now().Add(-ago).UTC()
	r.runs.Add(&runlog.Run{Server: "S", JobID: id(job), Job: "job " + string(rune('0'+job)), RunID: id(run), Started: ended.Add(-time.Second), Ended: ended, Outcome: outcome, Files: files})
}

// state returns the parts of the page.
func (r *testPage) state(key topicKey) map[string]json.RawMessage {
	r.t.Helper()
	t := r.s.enter(key)
	defer r.s.leave(key, t)
	_, frame := t.since("", time.Now().Add(time.Hour), 1) // long after the last refresh
	var f struct{ Set map[string]json.RawMessage }
	if err := json.Unmarshal(frame, &f); err != nil {
		r.t.Fatal(err)
	}
	return f.Set
}

// TestHistory shows in the overview and on the page of a job what only the history
// has: the jobs, their runs, folded, and the summary.
func TestHistory(t *testing.T) {
	r := newTestPage(t)
	r.connect()
	r.past(1, 101, 3*time.Hour, wire.Succeeded, 5)
	r.past(1, 102, 2*time.Hour, wire.Succeeded, 0)
	r.past(1, 103, time.Hour, wire.Succeeded, 0)
	r.past(2, 201, time.Hour, wire.Failed, 0)
	r.event(3, wire.JobInitialized)
	r.receivers = []notify.Status{{Receiver: "https://ntfy.example", Waiting: 2}}
	state := r.state(topicKey{})
	if state["job/0/"+id(3).String()] == nil || string(state["counts"]) != `{"running":1,"succeeded":1,"succeededWithErrors":0,"failed":1,"cancelled":0,"lost":0}` {
		t.Errorf("%v, counts %s", state, state["counts"])
	}
	var s summary
	if err := json.Unmarshal(state["past/0/"+id(1).String()], &s); err != nil || s.Idle != 2 || s.ChangeFiles != 5 || len(s.Trend) != 1 {
		t.Errorf("%s %v", state["past/0/"+id(1).String()], err)
	}
	if job := string(state["job/0/"+id(2).String()]); !strings.Contains(job, `"outcome":"Failed"`) || !strings.Contains(job, `"name":"job 2"`) {
		t.Errorf("%s", job)
	}
	if got := string(state["receivers"]); got != `[{"receiver":"https://ntfy.example","waiting":2,"taken":0}]` {
		t.Error(got)
	}
	state = r.state(topicKey{ofJob: true, job: id(1)})
	var lines []runlog.Line
	if err := json.Unmarshal(state["lines"], &lines); err != nil || len(lines) != 2 || lines[0].Count != 2 || lines[1].Files != 5 || string(state["found"]) != "true" || string(state["name"]) != `"job 1"` {
		t.Errorf("%v: %s", err, state["lines"])
	}
	if state = r.state(topicKey{ofJob: true, job: id(9)}); string(state["found"]) != "false" || string(state["lines"]) != "[]" {
		t.Errorf("of no job: %s", state)
	}
}

// TestVersioned encodes a part again only if its version has changed.
func TestVersioned(t *testing.T) {
	top := newTopic(nil)
	value := func(n uint64, v any) map[string]any {
		return map[string]any{"a": versioned{n, func() any { return v }}}
	}
	top.update(value(1, "x"))
	top.update(value(1, "y"))
	if got := string(top.parts["a"].json); got != `"x"` || top.frame != 1 {
		t.Errorf("%s in frame %d", got, top.frame)
	}
	top.update(value(2, "y"))
	if got := string(top.parts["a"].json); got != `"y"` || top.frame != 2 {
		t.Errorf("%s in frame %d", got, top.frame)
	}
	top.update(map[string]any{"a": "z"})
	top.update(value(2, "y"))
	if got := string(top.parts["a"].json); got != `"y"` {
		t.Error(got)
	}
}

// TestRunsAPI answers with the history of all jobs or of one, since a time.
func TestRunsAPI(t *testing.T) {
	r := newTestPage(t)
	r.past(1, 101, 30*time.Hour, wire.Succeeded, 5)
	r.past(1, 102, 2*time.Hour, wire.Failed, 0)
	r.past(2, 201, time.Hour, wire.Succeeded, 0)
	for target, want := range map[string]string{
		"/api/runs":                       "job 2:1 job 1:2",
		"/api/runs?since=24h":             "job 2:1 job 1:1",
		"/api/runs?job=job+1":             "job 1:2",
		"/api/runs?since=1m":              "",
		"/api/runs?job=" + id(2).String(): "job 2:1",
		"/api/runs?since=90m&job=job%201": "",
	} {
		var a runsAnswer
		r.get(target, &a)
		var got []string
		for _, j := range a.Jobs {
			got = append(got, j.Job+":"+string(rune('0'+len(j.Runs))))
		}
		if strings.Join(got, " ") != want || a.Jobs == nil {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	for target, code := range map[string]int{"/api/runs?since=x": http.StatusBadRequest, "/api/runs?since=-1h": http.StatusBadRequest, "/api/runs?job=none": http.StatusNotFound} {
		if w := r.get(target, nil); w.Code != code || !strings.Contains(w.Body.String(), `"error":`) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	r.receivers = []notify.Status{{Receiver: "command mail", Taken: 3, Error: "it ends with exit status 1"}}
	if w := r.get("/api/notify", nil); strings.TrimSpace(w.Body.String()) != `{"receivers":[{"receiver":"command mail","waiting":0,"taken":3,"error":"it ends with exit status 1"}]}` {
		t.Errorf("%s", w.Body)
	}
}
