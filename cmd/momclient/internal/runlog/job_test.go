package runlog

import (
	"path/filepath"
	"testing"
	"time"

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
