package momclient

import (
	"context"
	"math/rand/v2"
	"time"

	"mom.internal/wire"
)

// subscription is one call of Subscribe or Events, over as many sessions as it
// takes.
type subscription struct {
	c        *Client
	consumer *consumer       // takes the events
	ctx      context.Context // ends with Unsubscribe or Close
	cancel   context.CancelFunc
	ready    chan struct{} // closed when the server has accepted, the first time
	done     chan struct{} // closed when run has returned
	err      error         // why the subscription ended; set before done is closed

	// Owned by run until done is closed.
	accepted bool       // ready is closed
	attempt  int        // attempts since the last session that held
	lastErr  error      // why the latest attempt failed, or the latest session ended
	random   *rand.Rand // for the waits
}

// run makes sessions until the subscription is ended, refused for good, or,
// without AutoReconnect, lost. It reports the last status last, because the
// application may then call Subscribe again, from the handler as well.
func (sub *subscription) run() {
	last := sub.runSessions()
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
	if !closed || last.Kind != Closed { // Close reports Closed after all else
		c.report(last)
	}
}

// runSessions makes one session after the other, and returns the status that
// ends the subscription.
func (sub *subscription) runSessions() ConnectionStatus {
	c := sub.c
	for {
		c.report(ConnectionStatus{Kind: Connecting})
		began := time.Now()
		s, err := c.newSession(sub.ctx)
		status := failure(err)
		if err == nil {
			sub.connected(s)
			err = s.watch(sub.ctx)
			status = ConnectionStatus{Kind: Lost, Err: err}
			if time.Since(began) > c.opts.Period {
				sub.attempt = 0 // it held
			}
		}
		if sub.ctx.Err() != nil || !c.opts.AutoReconnect || wire.IsFinal(err) {
			return status
		}
		sub.lastErr = err
		c.report(status)
		if !sub.wait(err) {
			return status
		}
	}
}

// connected reports that s has begun. The first session also makes the consumer
// active, and Subscribe return.
func (sub *subscription) connected(s *session) {
	first := !sub.accepted
	if first {
		sub.c.report(ConnectionStatus{Kind: Connected, Epoch: s.epoch, Head: s.reply.Head})
		sub.c.inbox.activate(sub.consumer)
		sub.accepted = true
		close(sub.ready)
	}
	if !first || s.resumed {
		sub.c.report(ConnectionStatus{
			Kind: Resumed, Epoch: s.epoch, Head: s.reply.Head, NewEpoch: s.newEpoch,
			Replayed: s.reply.Head - s.reply.Cursor.Seq, Missed: s.reply.Missed,
		})
	}
}

// wait waits before the next attempt, and returns false if the subscription was
// ended meanwhile. err is why the attempt before failed.
func (sub *subscription) wait(err error) bool {
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

// end ends the subscription and waits for run to return.
func (sub *subscription) end() {
	sub.cancel()
	<-sub.done
	if !sub.consumer.gathers {
		sub.release()
	}
}

// leave ends the subscription of a range loop that is left.
func (sub *subscription) leave() {
	sub.end()
	sub.release()
}

// release lets the client subscribe again.
func (sub *subscription) release() {
	c := sub.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pulling == sub {
		c.pulling = nil
	}
}

// deactivate stops the delivery of events, after the subscription has ended,
// unless the client has subscribed again since.
func (sub *subscription) deactivate() {
	c := sub.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sub == nil {
		c.inbox.deactivate(sub.consumer)
	}
}
