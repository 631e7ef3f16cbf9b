package runlog

import (
	"path/filepath"
	"testing"
	"time"

	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// TestTotals sums over the runs, also after a restart. A run that was lost and is
// seen to end counts as both, so that no sum falls.
func TestTotals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	l := open(t, path)
	for n, set := range []func(*Run){
		func(r *Run) { r.DryRun = true }, lost, func(*Run) {}, failed, func(r *Run) { r.Errors = 3; r.Outcome = wire.SucceededWithErrors }, func(r *Run) { r.Outcome, r.Bytes = wire.Cancelled, -1 },
	} {
		l.Add(run(n, set))
	}
	l.Add(run(1))
	for _, when := range []string{"at once", "after a restart"} {
		v, _ := l.Job(Key{"S", id("job", 0)})
		got := v.Totals
		if !got.First.Equal(start.Add(time.Minute)) || got.Last.RunID != id("run", 1) || got.Ended != [...]uint64{1, 2, 1, 1, 1} || got.Bytes != 400 || got.Files != 4 || got.Errors != 3 {
			t.Errorf("%s: %+v, last %+v", when, got, got.Last)
		}
		l.Close()
		l = open(t, path)
	}
	l.Add(run(9, func(r *Run) { r.Outcome = 200 })) // of a later version
	if v, _ := l.Job(Key{"S", id("job", 0)}); v.Totals.Ended != [...]uint64{1, 2, 1, 2, 1} {
		t.Errorf("an outcome that this version does not know: %v", v.Totals.Ended)
	}
}

// TestTrouble: the last run of a job that has ended decides whether the job needs
// attention. A run that goes on or was cancelled decides nothing.
func TestTrouble(t *testing.T) {
	now := time.Now()
	after := func(outcome wire.Outcome, lost jobs.Loss, success time.Duration) *Summary {
		return &Summary{LastFailure: &Run{Outcome: outcome, Lost: lost, Ended: now}, LastSuccess: now.Add(success)}
	}
	for _, of := range []struct {
		run  jobs.Run
		past *Summary
		want string
	}{
		{jobs.Run{Running: true}, nil, ""},
		{jobs.Run{Running: true}, &Summary{}, ""},
		{jobs.Run{Running: true}, after(wire.Failed, "", -time.Hour), "failed"},
		{jobs.Run{Running: true}, after(wire.SucceededWithErrors, "", -time.Hour), "errors"},
		{jobs.Run{Running: true}, after(0, jobs.LostInGap, -time.Hour), "lost"},
		{jobs.Run{Running: true}, after(wire.Failed, "", time.Hour), ""},
		{jobs.Run{Outcome: wire.Cancelled}, after(wire.Failed, "", -time.Hour), "failed"},
		{jobs.Run{Outcome: wire.Succeeded}, after(wire.Failed, "", -time.Hour), ""},
		{jobs.Run{Outcome: wire.SucceededWithErrors}, nil, "errors"},
		{jobs.Run{Outcome: wire.Failed}, nil, "failed"},
		{jobs.Run{Outcome: 99}, nil, "failed"},
		{jobs.Run{Lost: jobs.LostByRestart}, nil, "lost"},
	} {
		if got := of.past.Trouble(&of.run); got != of.want {
			t.Errorf("%+v: %q, want %q", of.run, got, of.want)
		}
	}
}
