// Package completion decides when momclient -exit-when-done ends. Which runs the
// command waits for is the rule of [jobs.Watch]; this package adds how long it
// waits for further jobs and for a server that is away. It also reports the jobs of
// -job that the server has never run. Only momclient uses it.
package completion

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// Times of the rule.
const (
	// quiet is the time after the last end of a watched run in which, without
	// -job, no other job may appear.
	quiet = time.Second

	// interval is the time between two checks whether all events from before a
	// restart or a loss of the server have been shown.
	interval = 50 * time.Millisecond
)

// Verdict is how the command ends.
type Verdict struct {
	Failed bool  // a watched run did not succeed
	Err    error // why the end of a watched run was not seen; nil if all were
}

// Completion decides when the command ends, and how. The verdict is made once,
// with mu held: by an event, by a timer, or by whatever else has ended the
// streams. A nil Completion, of a monitor without -exit-when-done, ends nothing.
//
// A Completion waits for the runs of all servers. If the runs of a server will not be
// seen any more, for example because the server is away for too long, that server is
// closed with the reason. The command then goes on until the runs of the others have
// ended.
type Completion struct {
	names  []string      // of -job, as in a Run
	wait   time.Duration // -wait
	cancel func()        // ends the streams

	mu      sync.Mutex // guards the fields below, and those of the servers
	servers []*Server
	seen    map[string]bool // by name or ID: true if a run of the job has ended on a server
	verdict *Verdict        // nil until it is made; then it never changes
	busy    bool            // an event is being shown

	quietTimer *time.Timer   // no watched run is unfinished, and no event is being shown; nil if it does not run
	left       time.Duration // the rest of the quiet time when its timer was last started
	since      time.Time     // when the timer was last started
}

// Server is the part of a Completion for one server.
type Server struct {
	*Completion
	name   string             // "" for the only one
	cursor func() wire.Cursor // after the events that have been shown

	// The mu of the Completion guards the fields below.
	tracker *jobs.Tracker
	watch   *jobs.Watch // of all jobs; gets the changes of those that are watched
	met     bool        // the server was connected at least once
	closed  bool        // the Completion does not wait for this server any more
	err     error       // why the end of a watched run was not seen, if it is closed
	why     error       // why there is no connection; nil while the first attempt goes on
	late    bool        // the server has been away for -wait, and an event is being shown

	// Timers that are nil do not run; see after.
	giveUpTimer  *time.Timer // the server is away
	restartTimer *time.Timer // the server was restarted
}

// New returns the Completion for the jobs of f. It gives up on a server that is
// away for the time of wait. cancel ends the streams of events.
func New(f *wire.Filter, wait time.Duration, cancel func()) *Completion {
	c := &Completion{wait: wait, cancel: cancel, seen: make(map[string]bool)}
	for _, name := range f.Names {
		c.names = append(c.names, duplex.Clip(name, jobs.MaxText))
	}
	for _, id := range f.Jobs {
		c.names = append(c.names, id.String())
	}
	return c
}

// Add adds a server, before its first event or status. cursor returns the cursor
// after the events that have been shown. The name, which is in errors, is "" for the
// only server.
func (c *Completion) Add(name string, cursor func() wire.Cursor) *Server {
	if c == nil {
		return nil
	}
	s := &Server{
		Completion: c, name: name, cursor: cursor,
		tracker: jobs.New(jobs.Options{MaxJobs: jobs.MaxWatchedJobs}), watch: jobs.NewWatch(),
	}
	c.servers = append(c.servers, s)
	return s
}

// after starts a timer that calls do with mu held. A timer that is stopped does
// not call do, even if its function was already waiting for mu. mu is held.
func (c *Completion) after(timer **time.Timer, d time.Duration, do func()) {
	var this *time.Timer
	this = time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if *timer == this {
			*timer = nil
			do()
		}
	})
	*timer = this
}

func stopTimer(timer **time.Timer) {
	if *timer != nil {
		(*timer).Stop()
		*timer = nil
	}
}

// decide makes the verdict and ends the streams, unless there is a verdict. err
// says why the end of a watched run will not be seen. It is nil if all runs
// have ended. mu is held.
func (c *Completion) decide(err error) {
	if c.verdict != nil {
		return
	}
	c.verdict = &Verdict{Err: err}
	for _, s := range c.servers {
		c.verdict.Failed = c.verdict.Failed || !s.watch.Succeeded()
	}
	c.cancel()
}

// Conclude returns the verdict. If there is none yet, it is made from err, which
// has ended the streams.
func (c *Completion) Conclude(err error) Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pausing() {
		err = c.firstErr()
	}
	c.decide(err)
	return *c.verdict
}

// Ended records that the stream of the server has ended for good, because of err.
func (s *Server) Ended(err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp(err)
}

// giveUp closes the server without waiting for further events. If the command only
// waits for the end of the quiet time, it ends now, and err does not matter. mu is held.
func (s *Server) giveUp(err error) {
	if s.pausing() {
		s.decide(s.firstErr())
		return
	}
	s.close(err)
}

// close records that the Completion does not wait for the server any more, because of
// err. mu is held.
func (s *Server) close(err error) {
	if s.closed {
		return
	}
	stopTimer(&s.giveUpTimer)
	stopTimer(&s.restartTimer)
	if s.closed, s.err = true, err; s.name != "" {
		s.err = fmt.Errorf("%s: %w", s.name, err)
	}
	s.left = quiet
	s.settle()
}

// firstErr returns the error of the first server that has one. mu is held.
func (c *Completion) firstErr() error {
	for _, s := range c.servers {
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

// idle reports whether each server that is not closed was connected at least once and
// has no unfinished watched run. mu is held.
func (c *Completion) idle() bool {
	return !slices.ContainsFunc(c.servers, func(s *Server) bool { return !s.closed && (!s.met || !s.watch.Done()) })
}

// done reports whether a run of each job of -job has ended or, without -job, any run
// has. mu is held.
func (c *Completion) done() bool {
	if len(c.names) > 0 {
		return !slices.ContainsFunc(c.names, func(name string) bool { return !c.seen[name] })
	}
	return slices.ContainsFunc(c.servers, func(s *Server) bool { return len(s.watch.Runs()) > 0 })
}

// atOnce reports whether the command ends without a quiet time once all watched runs
// have ended. Otherwise another run may appear that is watched, too: without -job, a run
// of another job; with several servers, a run of the job on another server. mu is held.
func (c *Completion) atOnce() bool { return len(c.names) > 0 && len(c.servers) == 1 }

// pausing reports whether runs have ended and no watched run is unfinished, so that
// the command ends unless another run appears. mu is held.
func (c *Completion) pausing() bool { return !c.atOnce() && c.idle() && c.done() }

// settle decides if there is nothing to wait for any more. Otherwise it starts or stops
// the quiet time. mu is held.
func (c *Completion) settle() {
	switch {
	case !slices.ContainsFunc(c.servers, func(s *Server) bool { return !s.closed }), c.atOnce() && c.idle() && c.done():
		c.decide(c.firstErr())
	case c.busy || !c.pausing():
		stopTimer(&c.quietTimer)
	case c.quietTimer == nil:
		c.since = time.Now()
		c.after(&c.quietTimer, c.left, func() { c.decide(c.firstErr()) })
	}
}

// Over reports whether there is a verdict, or will be one if no other job
// appears.
func (c *Completion) Over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.verdict != nil || c.pausing()
}

// Over is [Completion.Over], and false for a nil Server.
func (s *Server) Over() bool { return s != nil && s.Completion.Over() }

// Showing reports that an event is about to be shown. It stops the quiet time
// until Shown, because the event of another job may already wait behind this
// one. It returns false if there is a verdict, because then no event is to be
// shown.
func (c *Completion) Showing() bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = true
	if c.quietTimer != nil {
		c.left -= time.Since(c.since)
		stopTimer(&c.quietTimer)
	}
	return c.verdict == nil
}

// Shown reports that an event of the server has been shown. It returns false if there
// is a verdict.
func (s *Server) Shown(e *wire.Event) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy, s.met = false, true
	s.add(s.tracker.Event(e))
	for _, other := range s.servers {
		if other.late {
			other.after(&other.giveUpTimer, interval, other.tooLong)
		}
	}
	return s.verdict == nil
}

// add adds changes, and decides if the watched runs have ended or one is lost. mu
// is held.
func (s *Server) add(changes []jobs.Change) {
	affected := false
	for i := range changes {
		c := &changes[i]
		if len(s.names) > 0 && !slices.Contains(s.names, c.Run.Name) && !slices.Contains(s.names, c.Run.JobID.String()) || !s.watch.Add(changes[i:i+1]) {
			continue
		}
		if affected = true; c.Kind == jobs.RunEnded {
			s.seen[c.Run.Name], s.seen[c.Run.JobID.String()] = true, true
		}
	}
	if affected {
		s.left = quiet
	}
	if err := s.watch.Err(); err != nil {
		s.close(err)
	}
	s.settle()
}

// Status reports a connection status, from which s learns whether the server is
// there.
func (s *Server) Status(status momclient.ConnectionStatus) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch status.Kind {
	case momclient.Connecting, momclient.Draining, momclient.Lost, momclient.Refused:
		s.away(status.Err)
	case momclient.Connected, momclient.Resumed:
		stopTimer(&s.giveUpTimer)
		s.why, s.late = nil, false
		if !s.met {
			s.met, s.left = true, quiet // so that its unfinished runs can appear
			stopTimer(&s.quietTimer)
			s.settle()
		}
		if status.NewEpoch {
			s.restarted(status)
		}
	}
}

// away records that the server is not there, and why, unless why is nil. mu is
// held.
func (s *Server) away(why error) {
	if why != nil {
		s.why = why
	}
	if s.giveUpTimer == nil && !s.late && !s.closed {
		s.after(&s.giveUpTimer, s.wait, s.tooLong)
	}
}

// tooLong decides that the server has been away for too long. It waits until all
// events that came before have been shown, because the ends of the watched runs
// may be among them. mu is held.
func (s *Server) tooLong() {
	if s.late = s.busy; !s.busy {
		s.giveUp(&awayError{wait: s.wait, why: s.why})
	}
}

// restarted adds that the server was restarted, so that the unfinished runs of
// earlier epochs are lost. It waits until all events from before the restart have
// been shown, because the end of a run may be among them. mu is held.
func (s *Server) restarted(status momclient.ConnectionStatus) {
	stopTimer(&s.restartTimer)
	if s.cursor().Epoch != status.Epoch {
		s.after(&s.restartTimer, interval, func() { s.restarted(status) })
		return
	}
	s.add(s.tracker.Connected(status.Time, status.Epoch, 0))
}

// Stop stops all timers.
func (c *Completion) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	stopTimer(&c.quietTimer)
	for _, s := range c.servers {
		stopTimer(&s.giveUpTimer)
		stopTimer(&s.restartTimer)
	}
}

// awayError reports that the server was away for as long as -wait allows.
type awayError struct {
	wait time.Duration
	why  error
}

func (e *awayError) Error() string {
	what := "no connection"
	if errors.Is(e.why, wire.Full) || errors.Is(e.why, wire.Busy) {
		what = "no place at the server"
	}
	text := fmt.Sprintf("%s within %v (-wait)", what, e.wait)
	if e.why == nil {
		return text + ": the server has not answered yet"
	}
	return text + ": " + e.why.Error()
}
