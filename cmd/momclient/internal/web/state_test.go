package web

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/wire"
)

// TestTroubles: every page has the jobs that need attention, the latest first, with
// the reason.
func TestTroubles(t *testing.T) {
	r := newTestPage(t)
	for job, ago := range map[int]time.Duration{1: time.Hour, 2: time.Minute, 3: time.Second} {
		outcome := wire.Failed
		if job == 3 {
			outcome = wire.Succeeded
		}
		r.runs.Add(&runlog.Run{Server: "S", JobID: id(job), Job: fmt.Sprint("job ", job), RunID: id(100 + job), Ended: time.Now().Add(-ago), Outcome: outcome, Error: &runlog.Error{Message: "full"}})
	}
	for _, key := range []topicKey{{}, {ofJob: true, job: id(3)}, {ofJob: true, job: id(3), server: -1}} {
		var all []trouble
		if err := json.Unmarshal(r.state(key)["troubles"], &all); err != nil || len(all) != 2 || all[0].ID != id(2) || all[1].ID != id(1) || all[0].Kind != "failed" || all[0].Name != "job 2" || all[0].Why != "full" {
			t.Errorf("%+v: %v %+v", key, err, all)
		}
	}
}

// TestRoomy: the overview has the packages and paths of few jobs, but not of many.
func TestRoomy(t *testing.T) {
	r := newTestPage(t)
	for job := range maxRoomy + 1 {
		for n := range maxInFlight + 2 {
			r.event(job+1, wire.Transferring, of(n+1), func(e *wire.Event) { e.Data.Initialize.SourcePath = "/srv" })
		}
		state := make(map[string]any)
		r.s.overview(state)
		row := state["job/0/"+id(1).String()].(*row)
		want, more, path := maxInFlight, 2, "/srv"
		if job == maxRoomy {
			want, more, path = 0, 0, ""
		}
		if len(row.InFlight) != want || row.MoreInFlight != more || row.SourcePath != path {
			t.Fatalf("%d jobs: %+v", job+1, row)
		}
	}
}
