package history

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// maxName bounds the name of a job in its figures, in bytes.
const maxName = 1 << 10

// JobFigures are the figures of a job. Dry runs count only as Running.
type JobFigures struct {
	ID      uuid.UUID
	Name    string        // of the latest run that began or ended; cut after maxName bytes
	Running int           // runs that are unfinished
	First   time.Duration // when the first event of the job was published
	Last    time.Duration // when the latest one was published

	// Figures of the runs that have ended.
	Success time.Time     // end of the last one that succeeded; zero for none
	End     time.Time     // end of the last one; zero for none
	Took    time.Duration // how long the last one took
	Outcome wire.Outcome  // of the last one
	Ended   [wire.Cancelled + 1]uint64
	Bytes   uint64
	Files   uint64
	Errors  uint64
}

// count counts e, which is ev encoded, in the figures of its job. For an event that
// neither begins nor ends a run, count only makes one comparison. The history's
// lock is held.
func (s *jobState) count(run *runState, ev *wire.Event, e *event) {
	if run.job == s && !e.final() {
		return
	}
	if name := ev.Name(); name != "" && name != s.figures.Name {
		s.figures.Name = strings.Clone(duplex.Clip(name, maxName))
	}
	if run.job != nil {
		run.job.figures.Running--
		run.job = nil
	}
	if !e.final() {
		run.job = s
		s.figures.Running++
		return
	}
	if i := ev.Data.Initialize; i == nil || !i.DryRun {
		s.figures.end(ev, e.at-run.began)
	}
}

// end counts a run that ev has ended and that took the time took.
func (f *JobFigures) end(ev *wire.Event, took time.Duration) {
	f.End, f.Took, f.Outcome = time.Now().UTC(), took, ev.Outcome()
	if f.Outcome == wire.Succeeded {
		f.Success = f.End
	}
	f.Ended[f.Outcome]++
	p := &ev.Data.Progress
	f.Bytes += uint64(max(0, p.BytesDone))
	f.Files += uint64(max(0, p.FilesDone))
	f.Errors += uint64(max(0, p.Errors))
}

// Jobs returns the figures of the n jobs with the latest events, the latest first,
// and the number of the other jobs.
func (h *History) Jobs(n int) (figures []JobFigures, more int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = max(0, min(n, h.jobs.order.Len()))
	figures = make([]JobFigures, 0, n)
	for el := h.jobs.order.Back(); len(figures) < n; el = el.Prev() {
		s := el.Value.(*jobState)
		f := s.figures
		f.ID, f.Last = s.last.def.JobID(), s.last.at
		figures = append(figures, f)
	}
	return figures, h.jobs.order.Len() - n
}
