package momclient

import (
	"bytes"
	"context"
	"fmt"
	"iter"

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
// If an error ends the call, History returns the events that it has so far, the
// cursor after them, and the error: that of ctx; [wire.Closed], after Close; why
// the connection was lost; or [wire.TooLarge], if there are more events than
// Options.ResultBytes allows. Options.CallTimeout bounds the whole call.
// [Client.HistorySeq] has neither bound.
func (c *Client) History(ctx context.Context, since wire.Cursor, n int) ([]wire.Event, wire.Cursor, error) {
	res := result{c: c, use: "ask for fewer events, or use HistorySeq"}
	a, end := c.newAsker(ctx, true)
	defer end()
	err := a.history(&since, n, res.add)
	return res.events, since, res.end(err)
}

// HistorySeq returns the cached events after since, oldest first, as a range loop.
// Each turn of the loop has an event and a nil error. If an error ends the loop, a
// last turn has a zero event and the error, which is one of those of
// [Client.History]. The loop may be left at any time, and continued from the
// Cursor of its last event.
//
// The loop asks for a page of events at a time, on a connection that it closes at
// its end, and decodes each event when its turn comes. So it holds one page, of at
// most Options.MaxMessage bytes, however many events there are. It connects again
// if the server has closed the connection while the body of the loop was busy.
// Options.CallTimeout bounds each wait for an event, and not the loop.
func (c *Client) HistorySeq(ctx context.Context, since wire.Cursor) iter.Seq2[wire.Event, error] {
	return c.seq(ctx, func(a *asker, yield func(*wire.Event) bool) error {
		at := since
		return a.history(&at, 0, yield)
	})
}

// Jobs returns the latest event of each job that the server knows, in the order
// of the JobIDs, without a subscription. Its bounds and errors are those of
// [Client.History].
func (c *Client) Jobs(ctx context.Context) ([]wire.Event, error) {
	res := result{c: c, use: "use JobsSeq"}
	a, end := c.newAsker(ctx, true)
	defer end()
	return res.events, res.end(a.jobs(res.add))
}

// JobsSeq returns the latest event of each job that the server knows, in the order
// of the JobIDs, as a range loop. It is bounded and fails as [Client.HistorySeq].
func (c *Client) JobsSeq(ctx context.Context) iter.Seq2[wire.Event, error] {
	return c.seq(ctx, (*asker).jobs)
}

// seq returns the events that ask yields as a range loop.
func (c *Client) seq(ctx context.Context, ask func(*asker, func(*wire.Event) bool) error) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		a, end := c.newAsker(ctx, false)
		defer end()
		if err := ask(a, func(ev *wire.Event) bool { return yield(*ev, nil) }); err != nil {
			yield(wire.Event{}, err)
		}
	}
}

// result is what History and Jobs return.
type result struct {
	c      *Client
	events []wire.Event
	size   eventSize
	full   bool
	use    string // the way out of the bound
}

// add adds an event, and returns false if there is no room for it.
func (r *result) add(ev *wire.Event) bool {
	if r.full = r.size.add(ev) > r.c.opts.ResultBytes; !r.full {
		r.events = append(r.events, *ev)
	}
	return !r.full
}

// end returns the error of the call that collected r, which ended with err.
func (r *result) end(err error) error {
	if err == nil && r.full {
		return wire.Errorf(wire.TooLarge, "momclient: %s has more events than the %d that fit into %d bytes of memory (Options.ResultBytes); %s",
			r.c.addr, len(r.events), r.c.opts.ResultBytes, r.use)
	}
	return err
}

// asker asks for pages, on a connection of its own, because a call that is given
// up ends its connection. It connects when it asks for the first page.
type asker struct {
	c      *Client
	caller context.Context
	ctx    context.Context // ends with caller, with Close, and with the asker
	whole  bool            // CallTimeout bounds all calls together, and there is one connection

	conn    *duplex.Conn // nil before the first page
	closed  chan struct{}
	wait    context.Context // bounds the wait for the next event; nil if the asker does not wait
	endWait context.CancelFunc
}

// newAsker returns an asker, and the function that closes its connection.
func (c *Client) newAsker(ctx context.Context, whole bool) (a *asker, end func()) {
	a = &asker{c: c, caller: ctx, whole: whole}
	var cancel context.CancelFunc
	a.ctx, cancel = context.WithCancel(ctx)
	stop := context.AfterFunc(c.life, cancel)
	return a, func() {
		stop()
		a.arrived()
		a.hangUp()
		cancel()
	}
}

// history asks for up to n events after since, or for all if n is 0 or less, and
// yields them, until yield returns false. It moves since past each event.
func (a *asker) history(since *wire.Cursor, n int, yield func(*wire.Event) bool) error {
	missed, got := uint64(0), 0 // before the next event, and so far
	for {
		args, before := protocol.HistoryArgs{Since: *since}, *since
		if n > 0 {
			args.Max = uint32(min(n-got, 1<<20))
		}
		page, err := a.page(protocol.MethodHistory, &args)
		switch {
		case err != nil:
			return err
		case args.Max > 0 && page.Count > args.Max:
			return wire.Errorf(wire.ProtocolError, "%s sent %d events of history, but was asked for %d", a.c.addr, page.Count, args.Max)
		}
		if since.Epoch != page.Epoch {
			*since = wire.Cursor{Epoch: page.Epoch}
		}
		missed += page.Missed
		goesOn, err := a.decode(page, func(ev *wire.Event) (bool, error) {
			if ev.Seq <= since.Seq || ev.Seq >= page.Next {
				return false, wire.Errorf(wire.ProtocolError, "%s sent event %d of history out of order", a.c.addr, ev.Seq)
			}
			ev.Missed = missed
			if !yield(ev) {
				return false, nil
			}
			missed, since.Seq = 0, ev.Seq
			got++
			return true, nil
		})
		if !goesOn {
			return err
		}
		*since = wire.Cursor{Epoch: page.Epoch, Seq: max(page.Next, 1) - 1}
		more := page.More && (since.Epoch != before.Epoch || since.Seq > before.Seq)
		switch {
		case more && (n <= 0 || got < n):
		case missed > 0:
			return wire.Errorf(wire.Lost, "momclient: %d events after %v have left the cache, and no event follows them", missed, before)
		default:
			return nil
		}
	}
}

// jobs asks for the latest event of each job, and yields them, until yield returns
// false.
func (a *asker) jobs(yield func(*wire.Event) bool) error {
	var args protocol.JobsArgs
	for first := true; ; {
		page, err := a.page(protocol.MethodJobs, &args)
		if err != nil {
			return err
		}
		goesOn, err := a.decode(page, func(ev *wire.Event) (bool, error) {
			if !first && bytes.Compare(ev.JobID[:], args.After[:]) <= 0 {
				return false, wire.Errorf(wire.ProtocolError, "%s sent job %v out of order", a.c.addr, ev.JobID)
			}
			first, args.After = false, ev.JobID
			return yield(ev), nil
		})
		if !goesOn || !page.More || page.Count == 0 {
			return err
		}
	}
}

// maxPageEvents is more than any server sends in a page.
const maxPageEvents = 1 << 16

// decode calls take with the events of a page, and returns false if take does or
// if there is an error.
func (a *asker) decode(page *protocol.Page, take func(*wire.Event) (bool, error)) (goesOn bool, err error) {
	events := protocol.NewEventDecoder(page.Types)
	events.Open(page.Events, int(page.Count))
	var ev wire.Event
	for {
		if ok, err := events.Next(&ev); !ok {
			return err == nil, err
		}
		if err := a.reason(nil); err != nil {
			return false, err
		}
		ev.Epoch = page.Epoch
		if goesOn, err := take(&ev); !goesOn {
			return false, err
		}
	}
}

// page asks for a page.
func (a *asker) page(method string, args any) (*protocol.Page, error) {
	if err := a.c.begin(); err != nil {
		return nil, err
	}
	defer a.c.running.Done()
	if a.wait == nil {
		a.wait, a.endWait = a.c.opts.callContext(a.ctx)
		if a.conn != nil && !a.whole && isClosed(a.conn.Done()) {
			a.hangUp()
		}
	}
	page := new(protocol.Page)
	err := a.connect()
	if err == nil {
		err = nameOption(a.conn.Call(a.wait, method, args, page))
	}
	switch {
	case err != nil:
		return nil, a.reason(err)
	case page.Count > maxPageEvents:
		return nil, wire.Errorf(wire.ProtocolError, "%s sent a page of %d events; at most %d are taken", a.c.addr, page.Count, maxPageEvents)
	case page.Count > 0 && !a.whole:
		a.arrived()
	}
	return page, nil
}

// arrived ends the wait for an event.
func (a *asker) arrived() {
	if a.wait != nil {
		a.endWait()
		a.wait = nil
	}
}

// connect connects, unless there is a connection.
func (a *asker) connect() error {
	if a.conn != nil {
		return nil
	}
	gc, err := a.c.connect(a.wait)
	if err != nil {
		return err
	}
	a.conn, a.closed = gc.conn, make(chan struct{})
	conn, closed := a.conn, a.closed
	a.c.running.Go(func() {
		defer close(closed)
		stop := context.AfterFunc(a.ctx, func() { conn.Close(wire.Errorf(wire.Closed, "the calls were ended")) })
		defer stop()
		conn.Serve("", nil)
	})
	return nil
}

// hangUp closes the connection if there is one, and waits until it is closed.
func (a *asker) hangUp() {
	if a.conn != nil {
		a.conn.Close(wire.Errorf(wire.Closed, "the calls are done"))
		<-a.closed
		a.conn = nil
	}
}

// reason returns what ended the asker: Close, or the end of the context of the
// caller, or else err.
func (a *asker) reason(err error) error {
	if a.c.life.Err() != nil {
		return errClosed()
	}
	if over := ended(a.caller); over != nil {
		return fmt.Errorf("momclient: asking %s: %w", a.c.addr, over)
	}
	return err
}

// begin counts work that Close waits for, until running.Done. After Close, begin
// returns an error.
func (c *Client) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return errClosed()
	}
	c.running.Add(1)
	return nil
}
