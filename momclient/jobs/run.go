package jobs

import (
	"cmp"
	"math"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// job is a job with its runs.
type job struct {
	id     uuid.UUID
	name   string
	runs   []*run // in the order of their first events; never empty
	forgot int    // number of forgotten runs
}

func (j *job) latest() *run { return j.runs[len(j.runs)-1] }

// shown returns the last run, but skips runs at the end that found nothing to do
// and followed a run that succeeded.
func (j *job) shown() *run {
	i := len(j.runs) - 1
	for i > 0 && j.runs[i].idle() && j.runs[i-1].outcome == wire.Succeeded {
		i--
	}
	return j.runs[i]
}

// idle reports whether the run succeeded and changed nothing.
func (r *run) idle() bool {
	p := &r.progress
	return r.outcome == wire.Succeeded && p.PackagesDone == 0 && p.FilesDone == 0 && p.FilesDeleted == 0 && p.BytesDone == 0 && p.Warnings == 0
}

// run is one execution of a job.
type run struct {
	job   *job
	id    uuid.UUID
	epoch uuid.UUID
	order uint64 // Tracker.orders when the run last began, ended or was lost

	outcome wire.Outcome // zero if the run has not ended
	lost    Loss         // "" if the run is not lost

	heard      time.Time // when the last event came, by the clock of this machine
	seq        uint64    // of the last event
	state      wire.State
	started    time.Time // zero if the beginning was not seen
	ended      time.Time // zero if the end was not seen
	lastChange time.Time
	item       string              // what the run works on, before its first package
	init       wire.InitializeData // texts cut
	progress   wire.Progress
	rate       meter // of bytes
	pace       pace  // of packages
	throughput series

	packages map[int]*pack
	first    *pack // the first of the linked packages
	last     *pack
	forgot   int // number of forgotten packages
}

// name returns the name of the job, as the run says it if it does.
func (r *run) name() string { return cmp.Or(r.init.Name, r.job.name) }

func (r *run) running() bool { return r.outcome == 0 && r.lost == "" }

// after reports whether r is after other in the list of jobs: running ones come
// first, and later ones before earlier ones.
func (r *run) after(other *run) bool {
	if a, b := r.running(), other.running(); a != b {
		return b
	}
	return r.order < other.order
}

// take folds an event into its run, and records the changes. A lost run runs
// again, unless the event waited in the client while that connected to the next
// server. mu is held.
func (t *Tracker) take(r *run, e *wire.Event, first bool, now time.Time) {
	why := r.lost
	if why != "" {
		r.lost = ""
		t.running[r] = struct{}{}
	}
	t.fold(r, e, first, now)
	switch past := e.Epoch == t.previous && e.Epoch != uuid.Nil; {
	case !r.running():
	case past && why != "":
		r.lost = why
		t.stop(r)
	case past:
		t.loseRun(r, LostByRestart, now)
	case why != "":
		t.change(Change{Kind: RunFound, Run: t.viewRun(r, now)})
	}
}

// fold changes the run as the event says. An event that the run had already, as
// from a snapshot, or an event after the end changes nothing. mu is held.
func (t *Tracker) fold(r *run, e *wire.Event, first bool, now time.Time) {
	if !r.running() || !first && e.Seq <= r.seq && e.Epoch == r.epoch {
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
	r.pace.add(at, now, packages(&r.progress))
	r.item = ""
	if e.Data.Header != nil {
		t.packed(r, e, at)
	} else if e.Data.Body != nil {
		r.item = duplex.Clip(e.Data.Body.Item, MaxText)
	}
	t.note(r, e, at)
	if first {
		t.change(Change{Kind: RunStarted, Run: t.viewRun(r, now)})
	}
	if e.EndsRun() {
		r.outcome, r.ended = e.Outcome(), r.lastChange
		t.stop(r)
		t.change(Change{Kind: RunEnded, Run: t.viewRun(r, now)})
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

// meanRate returns the bytes per second over the whole run, or 0 if it is
// unknown.
func (r *run) meanRate() int64 {
	took := r.ended.Sub(r.started).Seconds()
	if r.started.IsZero() || took <= 0 {
		return 0
	}
	return int64(min(max(0, float64(r.progress.BytesDone)/took), 1<<62))
}

// known reports whether the fraction is known.
func (r *run) known() bool { return r.outcome == wire.Succeeded || r.progress.Known() }

// fraction returns how much of the run is done. It is 1 only if the run
// succeeded.
func (r *run) fraction() float64 {
	if r.outcome == wire.Succeeded {
		return 1
	}
	return min(max(0, r.progress.Fraction()), 0.9999)
}

// timeLeft returns whole seconds, rounded up, or 0 if the time is unknown. It is
// by the bytes, at the rate, or by the packages if the total of the bytes is
// unknown.
func (r *run) timeLeft(rate int64, now time.Time) int64 {
	p := &r.progress
	left, perSecond := float64(p.BytesTotal)-float64(p.BytesDone), float64(rate)
	if p.BytesTotal <= 0 {
		left, perSecond = float64(p.PackagesTotal)-packages(p), r.pace.rate(now)
	}
	if seconds := math.Ceil(left / perSecond); perSecond > 0 && seconds > 0 && seconds <= maxTimeLeft {
		return int64(seconds)
	}
	return 0
}

// packages returns how many packages need no more work. Those under way count as
// far as they have arrived.
func packages(p *wire.Progress) float64 {
	return float64(p.PackagesDone) + float64(p.PackagesFailed) + float64(p.OpenThousandths)/1000
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
