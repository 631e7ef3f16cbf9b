package momclient

import (
	"context"
	"iter"

	"mom.internal/wire"
)

// Batch is a group of events, in the order in which Events would return them.
type Batch struct {
	Events []wire.Event // at least one

	// Cursor is the place after the events. A program that commits it together
	// with what the events have changed, and that passes the latest one to a later
	// client as Options.Cursor, gets each event exactly once, and the Missed of
	// each gap as well, even if it is killed at any moment.
	Cursor wire.Cursor

	// More says that further events have come, so that a commit can wait.
	More bool
}

// defaultBatch is the most events of a batch if none are given.
const defaultBatch = 1000

// Batches is like Events, but each turn of the loop has all events that have come
// since the turn before, up to most events, or 1,000 if most is zero or negative,
// and up to Options.ResultBytes of memory. A turn never waits for a batch to fill
// up. So a store that commits once for each batch needs no goroutine of its own.
//
// The events of a snapshot come in one batch, even if they are more than most,
// because a client cannot resume within a snapshot. Only a snapshot that takes
// more than Options.ResultBytes is split. The batches before its last one have the
// cursor before the snapshot, which is followed by the whole snapshot again, with
// the Missed of the gap. So a store that adds up Missed does not commit a batch
// whose Cursor has not moved.
//
// The events of a batch count as handled when its turn ends, but not if it panics.
// If the stream ends within a snapshot, the events of the snapshot that have come
// are not returned. They count as not handled, and come again with the next
// subscription, which has the gap before them again.
func (c *Client) Batches(ctx context.Context, most int) iter.Seq2[Batch, error] {
	if most <= 0 {
		most = defaultBatch
	}
	return func(yield func(Batch, error) bool) {
		consumer := newConsumer()
		consumer.gathers = true
		sub, err := c.subscribeFor(ctx, consumer)
		if err != nil {
			yield(Batch{}, err)
			return
		}
		defer c.inbox.deactivate(sub.consumer)
		defer sub.leave()
		g := gathering{c: c, sub: sub, most: most}
		defer g.giveBack() // after a panic, or a break before a snapshot
		if err := g.pull(ctx, yield); err != nil {
			g.giveBack()
			yield(Batch{}, err)
		}
	}
}

// gathering is the batch that a loop of Batches gathers.
type gathering struct {
	c    *Client
	sub  *subscription
	most int

	events []wire.Event
	size   eventSize
	first  delivery // of the first one of events
	last   delivery // of the last one

	// held is the first event of a snapshot, while events before the snapshot are a
	// batch of their own; nil for none.
	held     *wire.Event
	heldLast delivery
}

// pull yields batches until the stream ends, and returns why; nil for a break.
func (g *gathering) pull(ctx context.Context, yield func(Batch, error) bool) error {
	for {
		// Look at done before the inbox: if the subscription has ended, all its
		// events are in the inbox.
		over := isClosed(g.sub.done)
		for ctx.Err() == nil {
			took := g.take()
			if b, whole := g.batch(took); whole {
				goOn := yield(b, nil)
				g.c.inbox.done(g.last)
				g.events, g.size = nil, eventSize{}
				if !goOn {
					return nil
				}
			}
			if !took {
				break
			}
		}
		if over {
			return g.sub.err
		}
		select {
		case <-g.sub.consumer.bell:
		case <-g.sub.done:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

// take adds the next event that waits, and returns false if none does. It holds
// back the first event of a snapshot while there are others.
func (g *gathering) take() bool {
	var ev wire.Event
	d, ok := g.heldLast, g.held != nil
	if ok {
		ev, g.held = *g.held, nil
	} else if d, ok = g.c.next(g.sub.consumer, &ev); !ok {
		return false
	}
	if n := len(g.events); ev.Snapshot && n > 0 && !g.events[n-1].Snapshot {
		g.held, g.heldLast = &ev, d
		return true
	}
	if len(g.events) == 0 {
		g.first = d
	}
	g.events, g.last = append(g.events, ev), d
	g.size.add(&ev)
	return true
}

// batch returns what has been gathered as a batch, and whether it is whole:
// because nothing more waits or there are enough events, unless a snapshot is
// incomplete. If the events take ResultBytes of memory, it is whole as well.
func (g *gathering) batch(more bool) (b Batch, whole bool) {
	if g.held != nil {
		return Batch{Events: g.events, Cursor: g.last.after.cursor, More: true}, true
	}
	room := g.size.bytes < g.c.opts.ResultBytes
	if len(g.events) == 0 || more && room && len(g.events) < g.most {
		return Batch{}, false
	}
	cursor, within, waiting := g.c.inbox.takenTo()
	if within && room {
		return Batch{}, false
	}
	return Batch{Events: g.events, Cursor: cursor, More: waiting}, true
}

// giveBack ends the subscription, and makes the events of the turn that has not
// ended ones that have not come, so that the next subscription brings them.
func (g *gathering) giveBack() {
	first, last := g.first, g.last
	if g.held != nil {
		last = g.heldLast
	}
	switch {
	case len(g.events) > 0:
	case g.held != nil:
		first = g.heldLast
	default:
		return
	}
	missed := uint64(0)
	for i := range g.events {
		missed += g.events[i].Missed
	}
	if g.held != nil {
		missed += g.held.Missed
	}
	g.events, g.held = nil, nil
	g.sub.end()
	g.c.inbox.giveBack(first, last, missed)
}
