package momclient

import (
	"context"
	"iter"

	"mom.internal/wire"
)

// Events subscribes, as Subscribe does, and returns the events as a range loop.
// Each turn of the loop has an event and a nil error. If the stream ends, one
// last turn has a zero event and the error: that of ctx, or one that
// [Client.Subscribe] returns, or, without AutoReconnect, why the connection was
// lost. Leaving the loop unsubscribes.
//
// Once the server has accepted, the loop gets all events, including those that
// had been waiting, and the OnEvent handler gets none until the next Subscribe.
// The OnConnection handler is called as usual.
//
// An event counts as handled, and [Client.Cursor] moves past it, when its turn of
// the loop ends, whether by continue, break or return.
func (c *Client) Events(ctx context.Context) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		sub, err := c.subscribeFor(ctx, newConsumer())
		if err != nil {
			yield(wire.Event{}, err)
			return
		}
		defer c.inbox.deactivate(sub.consumer)
		defer sub.leave()
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
			d, ok := c.next(sub.consumer, &ev)
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
		case <-sub.consumer.bell:
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
