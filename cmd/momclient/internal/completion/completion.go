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
// stream. A nil Completion, of a monitor without -exit-when-done, ends nothing.
type Completion struct {
	named  bool               // -job is given
	wait   time.Duration      // -wait
	cursor func() wire.Cursor // after the events that have been shown
	cancel func()             // ends the stream

	mu      sync.Mutex // guards the fields below
	tracker *jobs.Tracker
	watch   *jobs.Watch
	verdict *Verdict // nil until it is made; then it never changes
	why     error    // why there is no connection; nil while the first attempt goes on
	busy    bool     // an event is being shown
	late    bool     // the server has been away for -wait, and an event is being shown

	// Timers that are nil do not run; see after.
	giveUpTimer  *time.Timer // the server is away
	restartTimer *time.Timer // the server was restarted
	quietTimer   *time.Timer // no watched run is unfinished, and no event is being shown

	left  time.Duration // the rest of the quiet time when its timer was last started
	since time.Time     // when the timer was last started
}

// New returns the Completion for the jobs of f. It gives up on a server that is
// away for the time of wait. cursor returns the cursor after the events that
// have been shown; cancel ends the stream of events.
func New(f *wire.Filter, wait time.Duration, cursor func() wire.Cursor, cancel func()) *Completion {
	names := slices.Clone(f.Names)
	for _, id := range f.Jobs {
		names = append(names, id.String())
	}
	return &Completion{
		named: len(names) > 0, wait: wait, cursor: cursor, cancel: cancel,
		tracker: jobs.New(jobs.Options{MaxJobs: jobs.MaxWatchedJobs}), watch: jobs.NewWatch(names...),
	}
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

// decide makes the verdict and ends the stream, unless there is a verdict. err
// says why the end of a watched run will not be seen. It is nil if all runs
// have ended. mu is held.
func (c *Completion) decide(err error) {
	if c.verdict != nil {
		return
	}
	c.verdict = &Verdict{Failed: !c.watch.Succeeded(), Err: err}
	c.cancel()
}

// Conclude returns the verdict. If there is none yet, it is made from err, which
// has ended the stream.
func (c *Completion) Conclude(err error) Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp(err)
	return *c.verdict
}

// giveUp decides without waiting for further events. The verdict has err,
// unless, without -job, runs have ended and no watched run is unfinished. mu is
// held.
func (c *Completion) giveUp(err error) {
	if c.pausing() {
		err = nil
	}
	c.decide(err)
}

// pausing reports, without -job, whether runs have ended and no watched run is
// unfinished. The command then ends unless another job appears. mu is held.
func (c *Completion) pausing() bool { return !c.named && c.watch.Done() && len(c.watch.Runs()) > 0 }

// Over reports whether there is a verdict, or will be one if no other job
// appears.
func (c *Completion) Over() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.verdict != nil || c.pausing()
}

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

// Shown reports that an event has been shown. It returns false if there is a
// verdict.
func (c *Completion) Shown(e *wire.Event) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	c.add(c.tracker.Event(e))
	if c.pausing() {
		c.since = time.Now()
		c.after(&c.quietTimer, c.left, func() { c.decide(nil) })
	}
	if c.late {
		c.after(&c.giveUpTimer, interval, c.tooLong)
	}
	return c.verdict == nil
}

// add adds changes, and decides if the watched runs have ended or one is lost. mu
// is held.
func (c *Completion) add(changes []jobs.Change) {
	if !c.watch.Add(changes) {
		return
	}
	c.left = quiet
	if err := c.watch.Err(); err != nil || c.named && c.watch.Done() {
		c.decide(err)
	}
}

// Status reports a connection status, from which c learns whether the server is
// there.
func (c *Completion) Status(s momclient.ConnectionStatus) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s.Kind {
	case momclient.Connecting, momclient.Draining, momclient.Lost, momclient.Refused:
		c.away(s.Err)
	case momclient.Connected, momclient.Resumed:
		stopTimer(&c.giveUpTimer)
		c.why, c.late = nil, false
		if s.NewEpoch {
			c.restarted(s)
		}
	}
}

// away records that the server is not there, and why, unless why is nil. mu is
// held.
func (c *Completion) away(why error) {
	if why != nil {
		c.why = why
	}
	if c.giveUpTimer == nil && !c.late {
		c.after(&c.giveUpTimer, c.wait, c.tooLong)
	}
}

// tooLong decides that the server has been away for too long. It waits until all
// events that came before have been shown, because the ends of the watched runs
// may be among them. mu is held.
func (c *Completion) tooLong() {
	if c.late = c.busy; !c.busy {
		c.giveUp(&awayError{wait: c.wait, why: c.why})
	}
}

// restarted adds that the server was restarted, so that the unfinished runs of
// earlier epochs are lost. It waits until all events from before the restart have
// been shown, because the end of a run may be among them. mu is held.
func (c *Completion) restarted(s momclient.ConnectionStatus) {
	stopTimer(&c.restartTimer)
	if c.cursor().Epoch != s.Epoch {
		c.after(&c.restartTimer, interval, func() { c.restarted(s) })
		return
	}
	c.add(c.tracker.Connected(s.Time, s.Epoch, 0))
}

func (c *Completion) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	stopTimer(&c.giveUpTimer)
	stopTimer(&c.restartTimer)
	stopTimer(&c.quietTimer)
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
