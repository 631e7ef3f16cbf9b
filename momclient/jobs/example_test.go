package jobs_test

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// events are what a client delivers while two jobs run. The end of the second is
// among the missed events.
func events() (list []wire.Event) {
	epoch, now := uuid.New(), time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	ids := map[string]uuid.UUID{"site to staging": uuid.New(), "photos to backup": uuid.New()}
	add := func(seq, missed uint64, name string, state wire.State, outcome wire.Outcome, done int64) {
		e := wire.Event{Seq: seq, Epoch: epoch, Missed: missed, JobID: ids[name], RunID: ids[name]}
		e.Data.Initialize = &wire.InitializeData{Name: name}
		e.Data.Status = wire.Status{State: state, Final: outcome != 0, Outcome: outcome, ReceivedTime: now.Add(time.Duration(seq) * time.Second)}
		e.Data.Progress = wire.Progress{BytesDone: done, BytesTotal: 100_000}
		list = append(list, e)
	}
	add(1, 0, "site to staging", wire.JobInitialized, 0, 0)
	add(2, 0, "photos to backup", wire.JobInitialized, 0, 0)
	add(3, 0, "site to staging", wire.Transferring, 0, 20_000)
	add(9, 5, "site to staging", wire.Transferring, 0, 80_000)
	add(10, 0, "site to staging", wire.ExportingError, wire.Cancelled, 80_000)
	return list
}

// An alert needs the changes.
func ExampleTracker_Event() {
	t := jobs.New(jobs.Options{})
	for _, e := range events() {
		for _, c := range t.Event(&e) {
			switch c.Kind {
			case jobs.RunStarted, jobs.RunFound:
				fmt.Printf("%s: running\n", c.Run.Name)
			case jobs.RunEnded:
				fmt.Printf("%s: %v\n", c.Run.Name, c.Run.Outcome)
			case jobs.RunLost:
				fmt.Printf("%s: lost (%s)\n", c.Run.Name, c.Run.Lost)
			case jobs.Gap:
				fmt.Printf("missed %d events\n", c.Missed)
			}
		}
	}
	// Output:
	// site to staging: running
	// photos to backup: running
	// missed 5 events
	// photos to backup: lost (gap)
	// site to staging: Cancelled
}

// A dashboard shows a table of all jobs.
func ExampleTracker_View() {
	t := jobs.New(jobs.Options{})
	for _, e := range events()[:3] {
		t.Event(&e)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, j := range t.View().Jobs {
		done := "–" // not known is not 0 %
		if j.Run.Known {
			done = fmt.Sprintf("%.0f%%", 100*j.Run.Fraction)
		}
		fmt.Fprintf(w, "%s\t%s\t%d B/s\t%d s left\n", j.Name, done, j.Run.Rate, j.Run.TimeLeft)
	}
	w.Flush()
	// Output:
	// photos to backup  0%   0 B/s      0 s left
	// site to staging   20%  10000 B/s  8 s left
}
