package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
)

// Times of -exit-when-done.
const (
	quiet    = time.Second           // without -job, how long no other job may appear after the last end of a watched run
	interval = 50 * time.Millisecond // between two looks at what is still to be shown
)

// verdict is how -exit-when-done ended.
type verdict struct {
	code int
	err  error // the last words on stderr; nil if the runs have ended
}

// ending decides when -exit-when-done ends, and how. The verdict is made once,
// with mu held: by an event, by a timer, or by whatever else has ended the stream.
// The exit code and the last words on stderr follow from the verdict, unless stdout
// or the cursor file failed. A nil ending, of a monitor without -exit-when-done,
// ends nothing.
type ending struct {
	wait   time.Duration      // -wait
	place  func() wire.Cursor // after the events that have been shown
	cancel func(error)        // ends the stream

	mu      sync.Mutex // guards the fields below
	runs    watchedRuns
	verdict *verdict // nil until it is made; never changed then
	why     error    // why there is no connection; nil while the first attempt goes on
	busy    bool     // an event is being shown
	late    bool     // the server has been away for -wait, and events may still be to be shown

	// Timers that are nil do not run; see after.
	gone  *time.Timer // the server is away
	judge *time.Timer // the server was restarted
	quiet *time.Timer // no watched run is unfinished, and no event is being shown

	left  time.Duration // what was left of the quiet time when its timer was last started
	since time.Time     // when the timer was last started
}

// after starts a timer that calls do with mu held. A timer that is stopped does
// not call do, even if its function was already waiting for mu. mu is held.
func (n *ending) after(timer **time.Timer, d time.Duration, do func()) {
	var this *time.Timer
	this = time.AfterFunc(d, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
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
// says why the end of a watched run will not be seen; nil if all have ended. mu is
// held.
func (n *ending) decide(err error) {
	if n.verdict != nil {
		return
	}
	n.verdict = &verdict{err: err}
	switch {
	case err != nil:
		n.verdict.code = exitLost
	case n.runs.failed:
		n.verdict.code = exitFailed
	}
	n.cancel(nil)
}

// conclude returns the verdict. If there is none yet, it is made from err, which
// has ended the stream.
func (n *ending) conclude(err error) verdict {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.giveUp(err)
	return *n.verdict
}

// giveUp decides without waiting for further events. The verdict has err,
// unless, without -job, runs have ended and no watched run is unfinished. mu is
// held.
func (n *ending) giveUp(err error) {
	if n.runs.pausing() {
		err = nil
	}
	n.decide(err)
}

// over reports whether there is a verdict, or will be one unless another job
// appears.
func (n *ending) over() bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.verdict != nil || n.runs.pausing()
}

// showing stops the quiet time while an event is shown, because the event of
// another job may already wait behind this one. It returns false if there is a
// verdict, because then no event is to be shown.
func (n *ending) showing() bool {
	if n == nil {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy = true
	if n.quiet != nil {
		n.left -= time.Since(n.since)
		stopTimer(&n.quiet)
	}
	return n.verdict == nil
}

// seen takes an event that has been shown. It returns false if there is a
// verdict.
func (n *ending) seen(e *wire.Event) bool {
	if n == nil {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy = false
	if n.runs.see(e) {
		n.left = quiet
	}
	switch {
	case n.runs.lost:
		n.decide(errRunLost)
	case n.runs.over():
		n.decide(nil)
	case n.runs.pausing():
		n.since = time.Now()
		n.after(&n.quiet, n.left, func() { n.decide(nil) })
	}
	if n.late {
		n.after(&n.gone, interval, n.tooLong)
	}
	return n.verdict == nil
}

// status takes a connection status, and records whether the server is there.
func (n *ending) status(s momclient.ConnectionStatus) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch s.Kind {
	case momclient.Connecting, momclient.Draining, momclient.Lost, momclient.Refused:
		n.away(s.Err)
	case momclient.Connected, momclient.Resumed:
		stopTimer(&n.gone)
		n.why, n.late = nil, false
		if s.NewEpoch {
			n.restarted(s.Epoch)
		}
	}
}

// away records that the server is not there, and why, unless why is nil. mu is
// held.
func (n *ending) away(why error) {
	if why != nil {
		n.why = why
	}
	if n.gone == nil && !n.late {
		n.after(&n.gone, n.wait, n.tooLong)
	}
}

// tooLong decides that the server has been away for too long. It waits until all
// events that came before have been shown, because the ends of the watched runs
// may be among them. mu is held.
func (n *ending) tooLong() {
	if n.late = n.busy; !n.busy {
		n.giveUp(&awayError{wait: n.wait, why: n.why})
	}
}

// restarted decides that a run is lost, if a watched run of an earlier epoch is
// unfinished. It waits until all events from before the restart have been shown,
// because the end of the run may be among them. mu is held.
func (n *ending) restarted(epoch uuid.UUID) {
	stopTimer(&n.judge)
	switch {
	case n.place().Epoch != epoch:
		n.after(&n.judge, interval, func() { n.restarted(epoch) })
	case n.runs.unfinishedBefore(epoch):
		n.decide(errRunLost)
	}
}

func (n *ending) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	stopTimer(&n.gone)
	stopTimer(&n.judge)
	stopTimer(&n.quiet)
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
	text := fmt.Sprintf("%s within %v, which is -wait", what, e.wait)
	if e.why == nil {
		return text + ": the server has not answered yet"
	}
	return text + ": " + e.why.Error()
}
