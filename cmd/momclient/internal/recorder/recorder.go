// Package recorder turns the events of servers into the history of runs and into
// messages for receivers. Only momclient uses it.
//
// # The order of effects
//
// For each event, [Server.Event] first adds the runs that have ended to the
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
// written, the goroutine reports that and tries again, and the cursors of all servers
// stay where they are.
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
	Jobs *wire.Filter // the jobs that are watched
	Runs *runlog.Log
	Box  *outbox.Box
	// Decider and Notifier are nil if nobody gets messages. The Recorder alone calls
	// the Decider.
	Decider  *alert.Decider
	Notifier *notify.Notifier
	// Say gets a line for people.
	Say func(string)
}

// Recorder records the events of all servers. Its methods, and those of its Servers,
// may be called from several goroutines.
type Recorder struct {
	opts    Options
	servers []*Server // complete before Start
	wake    chan struct{}
	done    chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex // guards the fields below and those of the servers, and keeps the effects of the events in order
	errors  map[uuid.UUID]*runlog.Error
	dirty   bool  // a record is not on the disk, and no attempt to sync that record is under way
	syncing bool  // an attempt to sync records to the disk is under way
	failed  bool  // the last attempt failed, which was reported
	err     error // of saving a cursor
}

// Server is the part of a Recorder for one server.
type Server struct {
	*Recorder
	name   string
	cursor func() wire.Cursor
	save   func(wire.Cursor) error

	// The mu of the Recorder guards the fields below.
	at      wire.Cursor
	tracker *jobs.Tracker
	status  *momclient.ConnectionStatus // Connected or Resumed, until the events before it have been shown
	behind  *momclient.ConnectionStatus // Connected or Resumed, until the events up to its Head have been shown
	shown   wire.Cursor                 // of the last event that was shown
}

// New returns a Recorder without servers.
func New(opts Options) *Recorder {
	return &Recorder{opts: opts, wake: make(chan struct{}, 1), done: make(chan struct{}), errors: make(map[uuid.UUID]*runlog.Error)}
}

// Add adds a server, before Start. The Server continues where an earlier monitor
// stopped. cursor returns the cursor after the events that have been shown, and save
// saves a cursor.
func (r *Recorder) Add(name string, cursor func() wire.Cursor, save func(wire.Cursor) error) *Server {
	s := &Server{
		Recorder: r, name: name, cursor: cursor, save: save, at: r.opts.Box.At(name),
		tracker: jobs.New(jobs.Options{MaxJobs: jobs.MaxWatchedJobs}),
	}
	r.servers = append(r.servers, s)
	_, runs := r.opts.Box.State()
	now := time.Now()
	for i := range runs {
		if run := &runs[i]; run.Server == name {
			s.restore(run, now)
		}
	}
	return s
}

// restore adds a run that was unfinished when an earlier monitor ended.
func (s *Server) restore(run *outbox.Run, now time.Time) {
	e := wire.Event{Epoch: run.Epoch, Seq: run.Seq, JobID: run.JobID, RunID: run.RunID}
	e.Data.Initialize = &wire.InitializeData{Name: run.Job, DryRun: run.DryRun}
	e.Data.Status = wire.Status{State: wire.JobInitialized, SentTime: run.Started}
	if !s.opts.Jobs.Takes(&e) {
		s.opts.Box.Commit(&outbox.Record{Ended: []uuid.UUID{run.RunID}})
		return
	}
	s.tracker.Event(&e)
	if run.Error != nil {
		s.errors[run.RunID] = run.Error
	}
	if d := s.opts.Decider; d != nil {
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

// Stop syncs all records to the disk, and saves the cursors. Event must not be
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
func (s *Server) Event(e *wire.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if e.Missed > 0 && s.opts.Runs.AddGap(&runlog.Gap{Server: s.name, Time: now.UTC(), Epoch: e.Epoch, Seq: e.Seq, Missed: e.Missed}) {
		s.markDirty()
	}
	if !e.Snapshot && e.Epoch == s.at.Epoch && e.Seq <= s.at.Seq {
		s.again(e)
		return
	}
	if !e.Snapshot && e.Seq > 0 {
		s.caughtUp(wire.Cursor{Epoch: e.Epoch, Seq: e.Seq - 1}, now)
	}
	rec := outbox.Record{Server: s.name, At: e.Cursor()}
	first := runlog.FirstError(e)
	if first != nil && s.errors[e.RunID] == nil && len(s.errors) < maxErrors {
		s.errors[e.RunID] = first
	} else {
		first = nil
	}
	changes := s.tracker.Event(e)
	if d := s.opts.Decider; d != nil {
		d.Heard(e.RunID, now)
	}
	s.apply(changes, &rec, !e.Snapshot, now)
	switch ended := e.EndsRun(); {
	case ended:
		delete(s.errors, e.RunID)
	case first != nil && len(rec.Runs) == 0:
		rec.Runs = append(rec.Runs, outbox.Run{
			Server: s.name, JobID: e.JobID, Job: e.Name(), RunID: e.RunID, Epoch: e.Epoch, Seq: e.Seq, Started: s.started(e.RunID), DryRun: e.Data.Initialize != nil && e.Data.Initialize.DryRun, Error: first,
		})
	}
	s.caughtUp(e.Cursor(), now)
	s.commit(&rec)
}

// again takes an event that an earlier monitor has recorded. The outbox has the
// changes of the event, but the history may lack the end of its run, because it
// could not be written. mu is held.
func (s *Server) again(e *wire.Event) {
	if !e.EndsRun() {
		return
	}
	for _, c := range s.tracker.Event(e) {
		if c.Kind != jobs.RunEnded {
			continue
		}
		if run := runlog.NewRun(s.name, &c.Run, runlog.FirstError(e)); s.opts.Runs.Add(&run) {
			s.markDirty()
		}
	}
}

func (s *Server) started(id uuid.UUID) time.Time {
	run, _ := s.tracker.Run(id)
	return run.Started
}

// apply adds changes to the history, to the decider and to the record. mu is held.
func (s *Server) apply(changes []jobs.Change, rec *outbox.Record, fresh bool, now time.Time) {
	for i := range changes {
		c := &changes[i]
		run := runlog.NewRun(s.name, &c.Run, s.errors[c.Run.ID])
		switch c.Kind {
		case jobs.RunStarted, jobs.RunFound:
			rec.Runs = append(rec.Runs, outbox.Run{
				Server: s.name, JobID: run.JobID, Job: run.Job, RunID: run.RunID, Epoch: c.Run.Epoch, Seq: c.Run.Seq, Started: run.Started, DryRun: run.DryRun, Error: run.Error,
			})
			if s.opts.Decider != nil {
				s.opts.Decider.Began(&run, fresh && c.Kind == jobs.RunStarted, now)
			}
		case jobs.RunEnded, jobs.RunLost:
			rec.Ended = append(rec.Ended, run.RunID)
			delete(s.errors, run.RunID)
			if s.opts.Runs.Add(&run) {
				s.markDirty()
			}
			if s.opts.Decider != nil {
				s.opts.Decider.Ended(&run, now)
			}
		}
	}
}

// commit commits the record, with the messages that the decider has made. mu is
// held.
func (r *Recorder) commit(rec *outbox.Record) {
	if d := r.opts.Decider; d != nil {
		var alerts []*alert.Alert
		alerts, rec.Subjects = d.Take()
		rec.Learned = d.Learned(rec.Server)
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
func (s *Server) Shown(e *wire.Event) error {
	c := e.Cursor()
	if c.IsZero() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = c
	if !s.dirty && !s.syncing && s.err == nil {
		s.err = s.save(c)
	}
	return s.err
}

// Cursor returns the cursor after the events that have been shown, or zero if what
// they have changed is not on the disk yet.
func (s *Server) Cursor() wire.Cursor {
	c := s.cursor()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirty || s.syncing {
		return wire.Cursor{}
	}
	return c
}

// sync syncs all records to the disk, and then saves the cursors.
func (r *Recorder) sync() {
	r.mu.Lock()
	if !r.dirty {
		r.mu.Unlock()
		return
	}
	r.dirty, r.syncing = false, true
	covered := r.allShown()
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
		covered = r.allShown()
	}
	for i, s := range r.servers {
		if r.err == nil {
			r.err = s.save(covered[i])
		}
	}
}

// allShown returns the shown cursor of each server. mu is held.
func (r *Recorder) allShown() []wire.Cursor {
	all := make([]wire.Cursor, 0, len(r.servers))
	for _, s := range r.servers {
		all = append(all, s.shown)
	}
	return all
}

// Status adds a status of the connection.
func (s *Server) Status(status momclient.ConnectionStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	d := s.opts.Decider
	switch status.Kind {
	case momclient.Connected, momclient.Resumed:
		s.status, s.behind = &status, &status
		if d != nil {
			d.Connected(s.name, now)
		}
	case momclient.Lost, momclient.Refused:
		s.tracker.Disconnected()
		if d != nil {
			why := ""
			if status.Err != nil {
				why = status.Err.Error()
			}
			d.Away(s.name, why, status.Final, now)
		}
	default:
		return
	}
	s.commit(&outbox.Record{Server: s.name})
}

// Tick records the changes that become due as time passes. The goroutine calls it
// once a second.
func (r *Recorder) Tick() {
	shown := make([]wire.Cursor, 0, len(r.servers))
	for _, s := range r.servers {
		shown = append(shown, s.cursor())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for i, s := range r.servers {
		s.tick(shown[i], now)
	}
	if r.opts.Decider != nil {
		r.opts.Decider.Look(now)
	}
	r.commit(new(outbox.Record))
}

// tick records the runs of the server that are lost as time passes. shown is the
// cursor after the events that have been shown. mu is held.
func (s *Server) tick(shown wire.Cursor, now time.Time) {
	changes := s.tracker.Tick()
	if of := s.status; of != nil && shown.Epoch == of.Epoch {
		// All events from before the connection have been shown.
		changes = append(changes, s.tracker.Connected(of.Time, of.Epoch, of.Missed)...)
		s.status = nil
	}
	rec := outbox.Record{Server: s.name}
	s.apply(changes, &rec, false, now)
	s.caughtUp(shown, now)
	s.commit(&rec)
}

// caughtUp reports to the decider if the monitor, which is at the given cursor, has all
// events that the server had when it accepted the monitor. mu is held.
func (s *Server) caughtUp(at wire.Cursor, now time.Time) {
	if of := s.behind; of != nil && at.Epoch == of.Epoch && at.Seq >= of.Head {
		s.behind = nil
		if d := s.opts.Decider; d != nil {
			d.CaughtUp(s.name, now)
		}
	}
}
