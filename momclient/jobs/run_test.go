package jobs

import (
	"testing"

	"mom.internal/wire"
)

// TestIdleRuns: a run that succeeds and finds nothing to do takes neither the place
// nor the memory of a run that succeeded, but it takes the place of a run that
// failed.
func TestIdleRuns(t *testing.T) {
	s := newScript(t, Options{})
	run := 1
	next := func(state wire.State, set ...func(*wire.Event)) {
		s.event(run, wire.JobInitialized)
		s.event(run, state, set...)
		run += 100
	}
	moved := func(e *wire.Event) { e.Data.Progress.PackagesDone, e.Data.Progress.FilesDone = 2, 7 }
	shows := func(what string, number, idle, earlier int) {
		t.Helper()
		j := s.tr.View().Jobs[0]
		if j.Run.ID != id(number) || j.Idle != idle || j.Earlier != earlier || (idle > 0) != j.IdleAt.Equal(s.now) {
			t.Errorf("%s: run %v, %d idle at %v, %d earlier", what, j.Run.ID, j.Idle, j.IdleAt, j.Earlier)
		}
	}
	next(wire.JobCompleted)
	shows("the first run is idle", 1, 0, 0)
	next(wire.JobCompleted, done(1000), moved)
	shows("moved", 101, 0, 1)
	for n := 1; n <= 2*MaxRuns; n++ {
		s.at(float64(n))
		next(wire.JobCompleted)
		shows("idle", 101, min(n, MaxRuns-1), max(0, 1-max(0, n-(MaxRuns-2))))
	}
	if detail, ok := s.tr.Job(id(1)); !ok || detail.Run.ID != id(101) || len(detail.Runs) != MaxRuns || detail.Runs[MaxRuns-1].ID != id(101) {
		t.Errorf("%+v", detail)
	}
	failed := run
	next(wire.ExportingError)
	shows("failed", failed, 0, MaxRuns-1)
	recovered := run
	next(wire.JobCompleted)
	shows("succeeded after a failure", recovered, 0, MaxRuns-1)
	deleted := run
	next(wire.JobCompleted, func(e *wire.Event) { e.Data.Progress.FilesDeleted = 1 })
	shows("only deleted", deleted, 0, MaxRuns-1)
}
