// Package recorder turns the events of one server into the history of runs and into
// messages for receivers. Only momclient uses it.
//
// # The order of effects
//
// For each event, [Recorder.Event] first adds the runs that have ended to the
// history, then commits the messages and the state from which they were made to the
// outbox. The cursor of the event is saved when both are on the disk, and never
// before. So a monitor that is killed at any moment loses neither a run nor a
// message. After the restart, the runs and messages that are missing are made again
// from the same event, with the same IDs. Those that are on the disk are not made
// again, because the history has the IDs of its runs, and the outbox has the cursor
// up to which it has all events.
//
// Syncing files to the disk takes time. One goroutine does that, for all events
// that have come meanwhile, so that the stream does not wait. If a file cannot be
// written, the goroutine reports that and tries again, and the cursor stays where
// it is.
//
// # Restarts
//
// The outbox has the unfinished runs. After a restart, the Recorder has them again,
// so that it notices the loss of a run even if the server was started again while
// the monitor was away.
package recorder

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// maxErrors bounds the first errors that are kept. An error is kept until its run
// ends.
const maxErrors = 20_000

// Options sets up a Recorder.
type Options struct {
	Server string       // as -addr names it
	Jobs   *wire.Filter // the jobs that are watched
	Runs   *runlog.Log
	Box    *outbox.Box
	// Decider and Notifier are nil if nobody gets messages.
	Decider  *alert.Decider
	Notifier *notify.Notifier
	// Cursor returns the cursor after the events that have been shown.
	Cursor func() wire.Cursor
	// Save saves a cursor.
	Save func(wire.Cursor) error
	// Say gets a line for people.
	Say func(string)
}

// Recorder records the events of one server. Its methods may be called from several
// goroutines.
type Recorder struct {
	opts Options
	wake chan struct{}
	done chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex // guards the fields below, and keeps the effects of the events in order
	at      wire.Cursor
	tracker *jobs.Tracker
	errors  map[uuid.UUID]*runlog.Error
	status  *momclient.ConnectionStatus // Connected or Resumed, until the events before it have been shown
	shown   wire.Cursor                 // of the last event that was shown
	dirty   bool                        // a record is not on the disk, and no attempt to sync it is under way
	syncing bool                        // an attempt to sync records to the disk is under way
	failed  bool                        // the last attempt failed, which was reported
	err     error                       // of Save
}

// New returns a Recorder that goes on where an earlier one stopped.
func New(opts Options) *Recorder {
	r := &Recorder{
		opts: opts, wake: make(chan struct{}, 1), done: make(chan struct{}), at: opts.Box.At(opts.Server),
		tracker: jobs.New(jobs.Options{MaxJobs: jobs.MaxWatchedJobs}), errors: make(map[uuid.UUID]*runlog.Error),
	}
	_, runs, _, _ := opts.Box.State()
	now := time.Now()
	for i := range runs {
		if run := &runs[i]; run.Server == opts.Server {
			r.restore(run, now)
		}
	}
	return r
}

// restore adds a run that was unfinished when an earlier monitor ended.
func (r *Recorder) restore(run *outbox.Run, now time.Time) {
	e := wire.Event{Epoch: run.Epoch, Seq: run.Seq, JobID: run.JobID, RunID: run.RunID}
	e.Data.Initialize = &wire.InitializeData{Name: run.Job, DryRun: run.DryRun}
	e.Data.Status = wire.Status{State: wire.JobInitialized, SentTime: run.Started}
	if !r.opts.Jobs.Takes(&e) {
		r.opts.Box.Commit(&outbox.Record{Ended: []uuid.UUID{run.RunID}})
		return
	}
	r.tracker.Event(&e)
	if run.Error != nil {
		r.errors[run.RunID] = run.Error
	}
	if d := r.opts.Decider; d != nil {
		d.Began(&runlog.Run{Server: run.Server, JobID: run.JobID, Job: run.Job, RunID: run.RunID, DryRun: run.DryRun}, false, now)
	}
}

// Start starts the goroutine that syncs records to the disk and calls Tick. Stop
// ends it.
func (r *Recorder) Start() { r.wg.Go(r.run) }

func (r *Recorder) run() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.Tick()
			r.sync()
		case <-r.wake:
			r.sync()
		case <-r.done:
			return
		}
	}
}

// Stop syncs all records to the disk, and saves the cursor. Event must not be
// called any more.
func (r *Recorder) Stop() error {
	close(r.done)
	r.wg.Wait()
	r.Tick()
	r.sync()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Event records what the event changes.
func (r *Recorder) Event(e *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !e.Snapshot && e.Epoch == r.at.Epoch && e.Seq <= r.at.Seq {
		r.again(e)
		return
	}
	rec := outbox.Record{Server: r.opts.Server, At: e.Cursor()}
	first := runlog.FirstError(e)
	if first != nil && r.errors[e.RunID] == nil && len(r.errors) < maxErrors {
		r.errors[e.RunID] = first
	} else {
		first = nil
	}
	changes := r.tracker.Event(e)
	if d := r.opts.Decider; d != nil {
		d.Heard(r.opts.Server, e.RunID, changed(e, now), now)
	}
	r.apply(changes, &rec, !e.Snapshot, now)
	switch ended := e.EndsRun(); {
	case ended:
		delete(r.errors, e.RunID)
	case first != nil && len(rec.Runs) == 0:
		rec.Runs = append(rec.Runs, outbox.Run{
			Server: r.opts.Server, JobID: e.JobID, Job: e.Name(), RunID: e.RunID, Epoch: e.Epoch, Seq: e.Seq, Started: r.started(e.RunID), DryRun: e.Data.Initialize != nil && e.Data.Initialize.DryRun, Error: first,
		})
	}
	r.commit(&rec)
}

// again takes an event that an earlier monitor has recorded. The outbox has the
// changes of the event, but the history may lack the end of its run, because it
// could not be written. mu is held.
func (r *Recorder) again(e *wire.Event) {
	if !e.EndsRun() {
		return
	}
	for _, c := range r.tracker.Event(e) {
		if c.Kind != jobs.RunEnded {
			continue
		}
		if run := runlog.NewRun(r.opts.Server, &c.Run, runlog.FirstError(e)); r.opts.Runs.Add(&run) {
			r.markDirty()
		}
	}
}

// changed returns when the change of an event was over, by the clock of the server.
func changed(e *wire.Event, now time.Time) time.Time {
	for _, t := range []time.Time{e.Data.Status.ReceivedTime, e.Data.Status.SentTime} {
		if !t.IsZero() {
			return t
		}
	}
	return now
}

func (r *Recorder) started(id uuid.UUID) time.Time {
	run, _ := r.tracker.Run(id)
	return run.Started
}

// apply adds changes to the history, to the decider and to the record. mu is held.
func (r *Recorder) apply(changes []jobs.Change, rec *outbox.Record, fresh bool, now time.Time) {
	for i := range changes {
		c := &changes[i]
		run := runlog.NewRun(r.opts.Server, &c.Run, r.errors[c.Run.ID])
		switch c.Kind {
		case jobs.RunStarted, jobs.RunFound:
			rec.Runs = append(rec.Runs, outbox.Run{
				Server: r.opts.Server, JobID: run.JobID, Job: run.Job, RunID: run.RunID, Epoch: c.Run.Epoch, Seq: c.Run.Seq, Started: run.Started, DryRun: run.DryRun, Error: run.Error,
			})
			if r.opts.Decider != nil {
				r.opts.Decider.Began(&run, fresh && c.Kind == jobs.RunStarted, now)
			}
		case jobs.RunEnded, jobs.RunLost:
			rec.Ended = append(rec.Ended, run.RunID)
			delete(r.errors, run.RunID)
			if r.opts.Runs.Add(&run) {
				r.markDirty()
			}
			if r.opts.Decider != nil {
				r.opts.Decider.Ended(&run, now)
			}
		}
	}
}

// commit commits the record, with the messages that the decider has made. mu is
// held.
func (r *Recorder) commit(rec *outbox.Record) {
	if d := r.opts.Decider; d != nil {
		var alerts []*alert.Alert
		alerts, rec.Subjects, rec.Settled = d.Take()
		for _, a := range alerts {
			if to := r.opts.Notifier.To(a); len(to) > 0 {
				rec.Messages = append(rec.Messages, outbox.Message{Alert: a, To: to})
			}
		}
	}
	if r.opts.Box.Commit(rec) {
		r.markDirty()
	}
}

// markDirty records that something is not on the disk yet. mu is held.
func (r *Recorder) markDirty() {
	r.dirty = true
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Shown saves the cursor of an event that was shown. If something that events have
// changed is not on the disk yet, Shown leaves that to the goroutine. It returns an
// error if a cursor could not be saved.
func (r *Recorder) Shown(e *wire.Event) error {
	c := e.Cursor()
	if c.IsZero() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = c
	if !r.dirty && !r.syncing && r.err == nil {
		r.err = r.opts.Save(c)
	}
	return r.err
}

// Cursor returns the cursor after the events that have been shown, or zero if what
// they have changed is not on the disk yet.
func (r *Recorder) Cursor() wire.Cursor {
	c := r.opts.Cursor()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dirty || r.syncing {
		return wire.Cursor{}
	}
	return c
}

// sync syncs all records to the disk, and then saves the cursor.
func (r *Recorder) sync() {
	r.mu.Lock()
	if !r.dirty {
		r.mu.Unlock()
		return
	}
	r.dirty, r.syncing = false, true
	covered := r.shown
	r.mu.Unlock()
	err := r.opts.Runs.Sync()
	if berr := r.opts.Box.Sync(); err == nil {
		err = berr
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.syncing = false
	if err != nil {
		r.dirty = true // until the next tick
		if !r.failed {
			r.opts.Say(err.Error() + "; the data stay in memory, and the monitor tries again")
		}
		r.failed = true
		return
	}
	if r.failed {
		r.failed = false
		r.opts.Say("the history and the state beside the cursor are written again")
	}
	if !r.dirty {
		covered = r.shown
	}
	if r.err == nil {
		r.err = r.opts.Save(covered)
	}
}

// Status adds a status of the connection.
func (r *Recorder) Status(s momclient.ConnectionStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	d := r.opts.Decider
	switch s.Kind {
	case momclient.Connected, momclient.Resumed:
		r.status = &s
		if d != nil {
			d.Connected(r.opts.Server, now)
		}
	case momclient.Lost, momclient.Refused:
		r.tracker.Disconnected()
		if d != nil {
			why := ""
			if s.Err != nil {
				why = s.Err.Error()
			}
			d.Away(r.opts.Server, why, s.Final, now)
		}
	default:
		return
	}
	r.commit(&outbox.Record{Server: r.opts.Server})
}

// Tick records the changes that become due as time passes. The goroutine calls it
// once a second.
func (r *Recorder) Tick() {
	shown := r.opts.Cursor()
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	changes := r.tracker.Tick()
	if s := r.status; s != nil && shown.Epoch == s.Epoch {
		// All events from before the connection have been shown.
		changes = append(changes, r.tracker.Connected(s.Time, s.Epoch, s.Missed)...)
		r.status = nil
	}
	rec := outbox.Record{Server: r.opts.Server}
	r.apply(changes, &rec, false, now)
	if r.opts.Decider != nil {
		r.opts.Decider.Look(now)
	}
	r.commit(&rec)
}
