package momclient

import (
	"context"
	"iter"

	"mom.internal/wire"
)

// Events subscribes and returns the stream as a range loop: each event once,
// with a nil error. The loop ends by break, which unsubscribes, or after one
// last turn with a zero event and the error that ended the stream: that of
// ctx, or what [Client.Subscribe] would have returned, or without
// AutoReconnect the loss of the connection. From when the server has accepted,
// the loop gets all events, those too that had come before and wait, and OnEvent
// is not called any more, until Subscribe is. OnConnection is called as always.
//
// An event counts as handled, and [Client.Cursor] moves past it, when the loop
// comes back for the next, or is left by break or return.
func (c *Client) Events(ctx context.Context) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		sub, err := c.subscribe(ctx, newConsumer())
		if err != nil {
			yield(wire.Event{}, err)
			return
		}
		defer c.inbox.leave(sub.by)
		defer c.end(sub)
		if err := c.pull(ctx, sub, yield); err != nil {
			yield(wire.Event{}, err)
		}
	}
}

// pull yields events until the stream ends, and returns why; nil for a break.
func (c *Client) pull(ctx context.Context, sub *subscription, yield func(wire.Event, error) bool) error {
	var ev wire.Event
	for {
		// Look at done before the inbox: if the subscription has ended, all its
		// events are in the inbox.
		over := isClosed(sub.done)
		for ctx.Err() == nil {
			d, ok := c.next(sub.by, &ev)
			if !ok {
				break
			}
			goOn := yield(ev, nil)
			c.inbox.done(d)
			if !goOn {
				return nil
			}
		}
		if over {
			return sub.err
		}
		select {
		case <-sub.by.bell:
		case <-sub.done:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
