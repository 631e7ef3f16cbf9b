package momclient

import (
	"context"
	"math/rand/v2"
	"time"

	"mom.internal/wire"
)

// subscription is one Subscribe, over as many sessions as it takes. Its
// goroutine connects, watches the session, and connects again.
type subscription struct {
	c      *Client
	by     *consumer       // takes the events
	ctx    context.Context // ends with Unsubscribe or Close
	cancel context.CancelFunc
	ready  chan struct{} // closed when the server has accepted, the first time
	done   chan struct{} // closed when the goroutine is through
	err    error         // why; set before done is closed

	// Owned by run until done is closed.
	accepted bool       // ready is closed
	attempt  int        // failed since the last session that held
	failed   error      // why the latest attempt or session ended
	random   *rand.Rand // for the waits
}

// run keeps the subscription until it is ended, refused for good, or, without
// AutoReconnect, lost. When the last status is reported, Subscribe may be
// called again, from its handler too.
func (sub *subscription) run() {
	last := sub.keep()
	c := sub.c
	c.mu.Lock()
	c.sub = nil
	if sub.err = last.Err; sub.ctx.Err() != nil {
		sub.err = wire.Errorf(wire.Closed, "momclient: unsubscribed")
		last = ConnectionStatus{Kind: Closed}
	}
	closed := c.life.Err() != nil
	c.mu.Unlock()
	sub.cancel()
	close(sub.done)
	if !closed || last.Kind != Closed { // Close reports for itself, when all is gone
		c.report(last)
	}
}

// keep makes session after session and returns the status that ends the
// subscription.
func (sub *subscription) keep() ConnectionStatus {
	c := sub.c
	for {
		c.report(ConnectionStatus{Kind: Connecting})
		began := time.Now()
		s, err := c.connect(sub.ctx)
		status := failed(err)
		if err == nil {
			sub.accept(s)
			err = s.watch(sub.ctx)
			status = ConnectionStatus{Kind: Lost, Err: err}
			if time.Since(began) > c.opts.Period {
				sub.attempt = 0 // it held
			}
		}
		if sub.ctx.Err() != nil || !c.opts.AutoReconnect || wire.IsFinal(err) {
			return status
		}
		sub.failed = err
		c.report(status)
		if !sub.pause(err) {
			return status
		}
	}
}

// accept reports the session, and that Subscribe may return.
func (sub *subscription) accept(s *session) {
	status := ConnectionStatus{Kind: Connected, Epoch: s.epoch}
	if !sub.accepted {
		sub.c.report(status)
		sub.c.inbox.give(sub.by)
		sub.accepted = true
		close(sub.ready)
	} else {
		status.Kind = Resumed
	}
	if s.resumed || status.Kind == Resumed {
		status.Kind, status.NewEpoch = Resumed, s.newEpoch
		status.Replayed, status.Missed = s.reply.Head-s.reply.Cursor.Seq, s.reply.Missed
		sub.c.report(status)
	}
}

// pause waits before the next attempt; false when the subscription ended.
func (sub *subscription) pause(err error) bool {
	sub.attempt++
	delay := max(backoff(sub.attempt, sub.c.opts.Period, sub.random), asError(err).After)
	sub.c.report(ConnectionStatus{Kind: Reconnecting, Err: err, Attempt: sub.attempt, Delay: delay})
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-sub.ctx.Done():
		return false
	}
}
