package history

import (
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// TestRunning compares the number of unfinished runs of each job with that in a
// map, while jobs are dropped and come back, and runs change their jobs.
func TestRunning(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	h := withDefaults(Limits{Jobs: 4, Runs: 30, Events: 20})
	jobOf := make(map[uuid.UUID]uuid.UUID) // of each unfinished run that its job counts
	for range 5000 {
		e := wire.Event{JobID: uuid.UUID{1, byte(r.IntN(6))}, RunID: uuid.UUID{2, byte(r.IntN(25))}}
		e.Data.Status.State = wire.Transferring
		if r.IntN(3) == 0 {
			e.Data.Status = wire.Status{State: wire.JobCompleted, Final: true, Outcome: wire.Succeeded}
		}
		if err := h.Publish(&e, 0, false); err != nil {
			t.Fatal(err)
		}
		delete(jobOf, e.RunID)
		if !e.Data.Status.Final {
			jobOf[e.RunID] = e.JobID
		}
		figures, more := h.Jobs(10)
		if more != 0 || len(figures) != h.jobs.order.Len() {
			t.Fatalf("%d jobs and %d more; want %d", len(figures), more, h.jobs.order.Len())
		}
		want := make(map[uuid.UUID]int)
		for run, job := range jobOf {
			if h.jobs.byID[job] == nil { // if the job comes back, it counts the run from the run's next event on
				delete(jobOf, run)
			}
			want[job]++
		}
		for _, f := range figures {
			if f.Running != want[f.ID] {
				t.Fatalf("job %v has %d unfinished runs; want %d", f.ID, f.Running, want[f.ID])
			}
		}
	}
}
