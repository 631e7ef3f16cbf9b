package board

import (
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// Phase says how a run or a package stands.
type Phase string

// The phases of a run; those of a package are Running, Completed, Failed and
// Left.
const (
	Running             Phase = "running"
	Completed           Phase = "completed"
	CompletedWithErrors Phase = "completedWithErrors"
	Failed              Phase = "failed"
	Lost                Phase = "lost" // ended unseen, or with its server
	Left                Phase = "left" // a package whose run ended before it did
)

// job is what is mirrored where, with its runs.
type job struct {
	id     uuid.UUID
	name   string
	runs   []*run // in the order in which they were first heard of; never empty
	forgot int    // runs
}

func (j *job) latest() *run { return j.runs[len(j.runs)-1] }

// run is one execution of a job.
type run struct {
	job   *job
	id    uuid.UUID
	epoch uuid.UUID
	phase Phase
	order uint64 // counts up with each run that begins or ends

	seq        uint64 // of the last event
	state      wire.State
	started    time.Time // zero where the beginning was not seen
	ended      time.Time // zero where the end was not seen
	lastChange time.Time
	init       wire.InitializeData // texts cut
	progress   wire.Progress
	rate       meter
	throughput series

	packages map[int]*pack
	first    *pack // the oldest of packages, which are linked
	last     *pack
	forgot   int // packages
}

// after reports whether r stands below other in the list of jobs: running ones
// stand first, later ones before earlier ones.
func (r *run) after(other *run) bool {
	if a, b := r.phase == Running, other.phase == Running; a != b {
		return b
	}
	return r.order < other.order
}

// take folds an event into its run, which runs again where it was lost. An
// event that the run has had already, as a snapshot may bring, or that follows
// the end, changes nothing. mu is held.
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

// describe keeps what the event says of the run, and the job's name.
func (r *run) describe(i *wire.InitializeData) {
	r.init = *i
	for _, text := range []*string{&r.init.Name, &r.init.SourcePath, &r.init.DestinationPath, &r.init.DestinationRoot} {
		*text = wire.Clip(*text, MaxText)
	}
	r.init.LastExecution = sane(i.LastExecution)
	if r.init.Name != "" && r == r.job.latest() {
		r.job.name = r.init.Name
	}
}

// begin learns when the run began: from its first event, or from its last,
// which spans it.
func (r *run) begin(e *wire.Event, now time.Time) {
	switch e.Data.Status.State {
	case wire.JobInitialized, wire.JobCompleted, wire.ExportingError:
		if sent := sane(e.Data.Status.SentTime); r.started.IsZero() && !sent.IsZero() {
			r.started = past(sent, now)
		}
	}
}

func endPhase(e *wire.Event) Phase {
	switch {
	case e.CompletedWithErrors():
		return CompletedWithErrors
	case e.Data.Status.State == wire.JobCompleted:
		return Completed
	}
	return Failed
}

// meanRate is in bytes per second over the whole run; 0 where it is not known.
func (r *run) meanRate() int64 {
	took := r.ended.Sub(r.started).Seconds()
	if r.started.IsZero() || took <= 0 {
		return 0
	}
	return int64(min(max(0, float64(r.progress.BytesDone)/took), 1<<62))
}

// fraction is how much is done, over bytes; 1 at a plain completion only.
func (r *run) fraction() float64 {
	if r.phase == Completed {
		return 1
	}
	return min(max(0, r.progress.Fraction()), 0.9999)
}

// timeLeft is in whole seconds, rounded up; 0 where it cannot be known.
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

// maxTimeLeft is 30 days, in seconds: what is further off is no forecast.
const maxTimeLeft = 30 * 24 * 3600

// changed is when an event's change was over, by the server's clock.
func changed(s *wire.Status, now time.Time) time.Time {
	for _, t := range []time.Time{sane(s.ReceivedTime), sane(s.SentTime)} {
		if !t.IsZero() {
			return t
		}
	}
	return now.UTC()
}

// past returns t, or now where t is yet to come by this machine's clock.
func past(t, now time.Time) time.Time {
	if t.After(now) {
		return now.UTC()
	}
	return t
}

// sane returns t in UTC; zero where its year has not four digits, which JSON
// cannot say.
func sane(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
