package momclient

import (
	"context"
	"fmt"
	"sync"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// history.go holds the original's offline mode: asking for cached events
// without subscribing.

// History returns up to n cached events after since, oldest first, all for n
// of 0 or less, and the place after the last of them. A zero since is the
// oldest cached event. Events that left the cache in between are counted in
// Missed of the first event, and never silent: with no event to carry the
// count the error is a [wire.Lost] error. A place of another epoch is the
// beginning of the server's.
//
// If ctx or Close ends the call, or the connection is lost during the call,
// History returns the events that it has so far, and the place after them. The
// error is then that of ctx, or [wire.Closed], or tells how the connection was
// lost.
func (c *Client) History(ctx context.Context, since wire.Cursor, n int) ([]wire.Event, wire.Cursor, error) {
	var events []wire.Event
	err := c.ask(ctx, func(ctx context.Context, conn *duplex.Conn) error {
		for {
			args, page := protocol.HistoryArgs{Since: since}, protocol.Page{}
			if n > 0 {
				args.Max = uint32(min(n-len(events), 1<<20))
			}
			if err := conn.Call(ctx, protocol.MethodHistory, &args, &page); err != nil {
				return err
			}
			if args.Max > 0 && page.Count > args.Max {
				return wire.Errorf(wire.ProtocolError, "%s answered %d events; asked for %d", c.addr, page.Count, args.Max)
			}
			got, err := c.decodePage(&page)
			if err != nil {
				return err
			}
			if len(got) > 0 {
				got[0].Missed = page.Missed
			} else if page.Missed > 0 {
				return wire.Errorf(wire.Lost, "momclient: %d events after %v left the cache, and none is left", page.Missed, since)
			}
			events = append(events, got...)
			since = wire.Cursor{Epoch: page.Epoch, Seq: max(page.Next, 1) - 1}
			if !page.More || len(got) == 0 || n > 0 && len(events) >= n {
				return nil
			}
		}
	})
	return events, since, err
}

// Jobs returns the latest event of each job that the server knows, in the
// order of their IDs.
func (c *Client) Jobs(ctx context.Context) ([]wire.Event, error) {
	var events []wire.Event
	err := c.ask(ctx, func(ctx context.Context, conn *duplex.Conn) error {
		var after uuid.UUID
		for {
			page := protocol.Page{}
			if err := conn.Call(ctx, protocol.MethodJobs, &protocol.JobsArgs{After: after}, &page); err != nil {
				return err
			}
			got, err := c.decodePage(&page)
			if err != nil {
				return err
			}
			events = append(events, got...)
			if !page.More || len(got) == 0 {
				return nil
			}
			after = got[len(got)-1].JobID
		}
	})
	return events, err
}

// maxPageEvents is more than a page of a server has. Each costs some hundred
// bytes here, however few it has on the wire.
const maxPageEvents = 1 << 16

// decodePage returns a page's events as delivered.
func (c *Client) decodePage(page *protocol.Page) ([]wire.Event, error) {
	if page.Count > maxPageEvents {
		return nil, wire.Errorf(wire.ProtocolError, "momclient: a page of %d events; at most %d", page.Count, maxPageEvents)
	}
	var events []wire.Event
	err := protocol.NewEventDecoder(page.Types).Decode(page.Events, int(page.Count), func(ev *wire.Event) {
		ev.Epoch = page.Epoch
		events = append(events, *ev)
	})
	return events, err
}

// ask makes calls on a connection of their own, so that giving one up costs a
// subscription nothing. Close ends the calls, and waits for ask to return.
func (c *Client) ask(ctx context.Context, calls func(context.Context, *duplex.Conn) error) error {
	if !c.enterCall() {
		return errClosed()
	}
	defer c.running.Done()
	err := c.call(ctx, calls)
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

// enterCall makes Close wait for a call until the call's end, when the caller
// calls running.Done. It returns false if the client is closed.
func (c *Client) enterCall() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return false
	}
	c.running.Add(1)
	return true
}

// call connects, makes the calls, and returns when the connection is closed.
func (c *Client) call(ctx context.Context, calls func(context.Context, *duplex.Conn) error) error {
	ctx, cancel := c.opts.forCalls(ctx)
	defer cancel()
	stop := context.AfterFunc(c.life, cancel)
	defer stop()
	l, err := c.dial(ctx)
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	serving.Go(func() { l.conn.Serve("", nil) })
	defer serving.Wait()
	defer l.conn.Close(wire.Errorf(wire.Closed, "asked"))
	return withSetting(calls(ctx, l.conn))
}
