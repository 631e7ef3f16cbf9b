package momclient

import (
	"context"
	"fmt"
	"sync"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// History returns up to n cached events after since, oldest first, and the cursor
// after the last of them, without a subscription. If n is 0 or less, it returns
// all. A zero since stands for the oldest cached event, and a cursor of another
// epoch for the beginning of the server's epoch.
//
// Events that have left the cache are counted in Missed of the event that follows
// them. If no event follows, the error is a [wire.Lost] error with the number.
//
// If ctx or Close ends the call, or the connection is lost, History returns the
// events that it has so far, the cursor after them, and the error: that of ctx,
// [wire.Closed], or why the connection was lost. Options.CallTimeout bounds the
// whole call.
func (c *Client) History(ctx context.Context, since wire.Cursor, n int) ([]wire.Event, wire.Cursor, error) {
	var events []wire.Event
	err := c.query(ctx, func(ctx context.Context, conn *duplex.Conn) error {
		missed := uint64(0) // before the next event
		for {
			args := protocol.HistoryArgs{Since: since}
			if n > 0 {
				args.Max = uint32(min(n-len(events), 1<<20))
			}
			page, got, err := c.askPage(ctx, conn, protocol.MethodHistory, &args)
			switch {
			case err != nil:
				return err
			case args.Max > 0 && page.Count > args.Max:
				return wire.Errorf(wire.ProtocolError, "%s sent %d events of history, but was asked for %d", c.addr, page.Count, args.Max)
			}
			if missed += page.Missed; len(got) > 0 {
				got[0].Missed, missed = missed, 0
			}
			events = append(events, got...)
			before := since
			since = wire.Cursor{Epoch: page.Epoch, Seq: max(page.Next, 1) - 1}
			goesOn := page.More && (since.Epoch != before.Epoch || since.Seq > before.Seq)
			switch {
			case goesOn && (n <= 0 || len(events) < n):
			case missed > 0:
				return wire.Errorf(wire.Lost, "momclient: %d events after %v have left the cache, and no event follows them", missed, before)
			default:
				return nil
			}
		}
	})
	return events, since, err
}

// Jobs returns the latest event of each job that the server knows, in the order
// of the JobIDs, without a subscription. Its errors are those of
// [Client.History].
func (c *Client) Jobs(ctx context.Context) ([]wire.Event, error) {
	var events []wire.Event
	err := c.query(ctx, func(ctx context.Context, conn *duplex.Conn) error {
		var args protocol.JobsArgs
		for {
			page, got, err := c.askPage(ctx, conn, protocol.MethodJobs, &args)
			if err != nil {
				return err
			}
			if events = append(events, got...); !page.More || len(got) == 0 {
				return nil
			}
			args.After = got[len(got)-1].JobID
		}
	})
	return events, err
}

// maxPageEvents is more than any server sends in a page. It bounds memory,
// because an event of few bytes takes some hundred when it is decoded.
const maxPageEvents = 1 << 16

// askPage makes a call that a page answers, and returns the page and its events.
func (c *Client) askPage(ctx context.Context, conn *duplex.Conn, method string, args any) (*protocol.Page, []wire.Event, error) {
	page := new(protocol.Page)
	if err := conn.Call(ctx, method, args, page); err != nil {
		return nil, nil, err
	}
	if page.Count > maxPageEvents {
		return nil, nil, wire.Errorf(wire.ProtocolError, "%s sent a page of %d events; at most %d are taken", c.addr, page.Count, maxPageEvents)
	}
	var events []wire.Event
	err := protocol.NewEventDecoder(page.Types).Decode(page.Events, int(page.Count), func(ev *wire.Event) {
		ev.Epoch = page.Epoch
		events = append(events, *ev)
	})
	return page, events, err
}

// query makes calls on a connection of their own, because a call that is given
// up ends its connection. Close ends the calls, and waits for query to return.
func (c *Client) query(ctx context.Context, calls func(context.Context, *duplex.Conn) error) error {
	c.mu.Lock()
	closed := c.life.Err() != nil
	if !closed {
		c.running.Add(1)
	}
	c.mu.Unlock()
	if closed {
		return errClosed()
	}
	defer c.running.Done()
	err := c.withConn(ctx, calls)
	switch over := ended(ctx); {
	case err == nil:
		return nil
	case c.life.Err() != nil:
		return errClosed()
	case over != nil:
		return fmt.Errorf("momclient: asking %s: %w", c.addr, over)
	}
	return err
}

// withConn connects, makes the calls, and returns when the connection is closed.
func (c *Client) withConn(ctx context.Context, calls func(context.Context, *duplex.Conn) error) error {
	ctx, cancel := c.opts.callContext(ctx)
	defer cancel()
	stop := context.AfterFunc(c.life, cancel)
	defer stop()
	gc, err := c.connect(ctx)
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	serving.Go(func() { gc.conn.Serve("", nil) })
	defer serving.Wait()
	defer gc.conn.Close(wire.Errorf(wire.Closed, "the calls are done"))
	return nameOption(calls(ctx, gc.conn))
}
