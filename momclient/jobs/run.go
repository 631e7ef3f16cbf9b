package jobs

import (
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// Phase is the phase of a run or a package.
type Phase string

// The phases of a run. A package has Running, Completed, Failed or Left.
const (
	Running             Phase = "running"
	Completed           Phase = "completed"
	CompletedWithErrors Phase = "completedWithErrors"
	Failed              Phase = "failed"
	Lost                Phase = "lost" // its end was not seen and cannot come
	Left                Phase = "left" // a package without an end in a run that has ended
)

// job is a job with its runs.
type job struct {
	id     uuid.UUID
	name   string
	runs   []*run // in the order of their first events; never empty
	forgot int    // number of forgotten runs
}

func (j *job) latest() *run { return j.runs[len(j.runs)-1] }

// run is one execution of a job.
type run struct {
	job   *job
	id    uuid.UUID
	epoch uuid.UUID
	phase Phase
	order uint64 // Board.orders when the run last began or ended

	seq        uint64 // of the last event
	state      wire.State
	started    time.Time // zero if the beginning was not seen
	ended      time.Time // zero if the end was not seen
	lastChange time.Time
	init       wire.InitializeData // texts cut
	progress   wire.Progress
	rate       meter
	throughput series

	packages map[int]*pack
	first    *pack // the first of the linked packages
	last     *pack
	forgot   int // number of forgotten packages
}

// after reports whether r is after other in the list of jobs: running ones come
// first, and later ones before earlier ones.
func (r *run) after(other *run) bool {
	if a, b := r.phase == Running, other.phase == Running; a != b {
		return b
	}
	return r.order < other.order
}

// take folds an event into its run. A lost run runs again. An event that the
// run had already, as from a snapshot, or an event after the end changes
// nothing. mu is held.
func (b *Board) take(r *run, e *wire.Event, now time.Time) {
	if r.phase == Lost {
		r.phase = Running
		b.running[r] = struct{}{}
	}
	if r.phase != Running || e.Seq <= r.seq && e.Epoch == r.epoch {
		return
	}
	r.epoch, r.seq, r.state = e.Epoch, e.Seq, e.Data.Status.State
	if i := e.Data.Initialize; i != nil {
		r.describe(i)
	}
	r.progress = e.Data.Progress
	at := changed(&e.Data.Status, now)
	r.lastChange = past(at, now)
	r.begin(e, now)
	if from, to, bytes := r.rate.add(at, now, r.progress.BytesDone); bytes > 0 {
		r.throughput.add(from, to, bytes)
	}
	if e.Data.Header != nil {
		b.packed(r, e, at)
	}
	b.note(r, e, at)
	if e.EndsRun() {
		b.stop(r, endPhase(e), r.lastChange)
	}
}

// describe keeps the description of the run, and the name of the job.
func (r *run) describe(i *wire.InitializeData) {
	r.init = *i
	for _, text := range []*string{&r.init.Name, &r.init.SourcePath, &r.init.DestinationPath, &r.init.DestinationRoot} {
		*text = duplex.Clip(*text, MaxText)
	}
	r.init.LastExecution = sane(i.LastExecution)
	if r.init.Name != "" && r == r.job.latest() {
		r.job.name = r.init.Name
	}
}

// begin sets when the run began: from its first event, or from its last event,
// which spans the run.
func (r *run) begin(e *wire.Event, now time.Time) {
	switch e.Data.Status.State {
	case wire.JobInitialized, wire.JobCompleted, wire.ExportingError:
		if sent := sane(e.Data.Status.SentTime); r.started.IsZero() && !sent.IsZero() {
			r.started = past(sent, now)
		}
	}
}

func endPhase(e *wire.Event) Phase {
	switch e.Outcome() {
	case wire.SucceededWithErrors:
		return CompletedWithErrors
	case wire.Succeeded:
		return Completed
	}
	return Failed
}

// meanRate returns the bytes per second over the whole run, or 0 if it is
// unknown.
func (r *run) meanRate() int64 {
	took := r.ended.Sub(r.started).Seconds()
	if r.started.IsZero() || took <= 0 {
		return 0
	}
	return int64(min(max(0, float64(r.progress.BytesDone)/took), 1<<62))
}

// fraction returns how much of the bytes is done. It is 1 only if the run
// completed without errors.
func (r *run) fraction() float64 {
	if r.phase == Completed {
		return 1
	}
	return min(max(0, r.progress.Fraction()), 0.9999)
}

// timeLeft returns whole seconds, rounded up, or 0 if the time is unknown.
func (r *run) timeLeft(rate int64) int64 {
	left := r.progress.BytesTotal - r.progress.BytesDone
	if r.phase != Running || rate <= 0 || left <= 0 || r.progress.BytesTotal <= 0 {
		return 0
	}
	if seconds := (left-1)/rate + 1; seconds <= maxTimeLeft {
		return seconds
	}
	return 0
}

// maxTimeLeft is 30 days in seconds. A longer forecast means nothing.
const maxTimeLeft = 30 * 24 * 3600

// changed returns when the change of an event was over, by the clock of the
// server.
func changed(s *wire.Status, now time.Time) time.Time {
	for _, t := range []time.Time{sane(s.ReceivedTime), sane(s.SentTime)} {
		if !t.IsZero() {
			return t
		}
	}
	return now.UTC()
}

// past returns t, or now if t is in the future by the clock of this machine.
func past(t, now time.Time) time.Time {
	if t.After(now) {
		return now.UTC()
	}
	return t
}

// sane returns t in UTC, or the zero time if the year of t does not have four
// digits, because JSON cannot express it.
func sane(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
