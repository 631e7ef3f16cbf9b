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
	quiet    = time.Second           // without -job, no new run may begin for so long after the last end
	interval = 50 * time.Millisecond // between two looks at what is still to be shown
)

// patience ends the stream of -exit-when-done from outside: when the server is
// away for too long, when it was restarted and so cannot end its runs, or when
// the last run has ended and none begins. A nil one does nothing.
type patience struct {
	wait   time.Duration
	end    *ending
	place  func() wire.Cursor // what has been shown
	cancel func(error)

	mu    sync.Mutex // guards the fields below; timers that are nil do not run
	why   error      // there is no connection; nil where the first attempt still goes on
	gone  *time.Timer
	quiet *time.Timer
	judge *time.Timer
}

// status takes note of whether the server is there.
func (p *patience) status(s momclient.ConnectionStatus) {
	if p == nil {
		return
	}
	switch s.Kind {
	case momclient.Connecting, momclient.Draining, momclient.Lost, momclient.Refused:
		p.away(s.Err)
	case momclient.Connected, momclient.Resumed:
		p.back()
		if s.NewEpoch {
			p.restarted(s.Epoch)
		}
	}
}

// away notes that the server is not there, and why, if that is news.
func (p *patience) away(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if why != nil {
		p.why = why
	}
	if p.gone == nil {
		p.gone = time.AfterFunc(p.wait, p.giveUp)
	}
}

func (p *patience) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone != nil { // else it is back
		p.cancel(&awayError{wait: p.wait, why: p.why})
	}
}

func (p *patience) back() {
	p.mu.Lock()
	defer p.mu.Unlock()
	stopTimer(&p.gone)
	p.why = nil
}

// awayError is that the server was away for as long as -wait says.
type awayError struct {
	wait time.Duration
	why  error
}

func (e *awayError) Error() string {
	what := "no connection"
	if errors.Is(e.why, wire.ErrFull) || errors.Is(e.why, wire.ErrBusy) {
		what = "no place at the server"
	}
	text := fmt.Sprintf("%s within %v, which is -wait", what, e.wait)
	if e.why == nil {
		return text + ": the server has not answered yet"
	}
	return text + ": " + e.why.Error()
}

// restarted ends the stream where a run of an epoch before this one is
// unfinished, when all that came before the restart has been shown: its end may
// be among that.
func (p *patience) restarted(epoch uuid.UUID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stopTimer(&p.judge)
	switch {
	case p.place().Epoch != epoch:
		p.judge = time.AfterFunc(interval, func() { p.restarted(epoch) })
	case p.end.unfinishedBefore(epoch):
		p.cancel(errRunLost)
	}
}

// busy notes that an event has come.
func (p *patience) busy() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stopTimer(&p.quiet)
}

// seen looks, after an event, whether all may be over.
func (p *patience) seen() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if stopTimer(&p.quiet); p.end.pausing() {
		p.quiet = time.AfterFunc(quiet, func() { p.cancel(errQuiet) })
	}
}

// over reports whether all is over unless another run begins.
func (p *patience) over() bool { return p != nil && p.end.pausing() }

func (p *patience) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stopTimer(&p.gone)
	stopTimer(&p.quiet)
	stopTimer(&p.judge)
}

func stopTimer(t **time.Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}
