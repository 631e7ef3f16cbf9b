package history

import (
	"cmp"
	"slices"

	"mom.internal/wire"
)

// Position is where a reader goes on. The reader has passed all events before
// Next. If there is a snapshot, the
// reader reads all of it first, and then the event Next.
type Position struct {
	Next    uint64 // Seq of the next event
	Missed  uint64 // events lost before Next, and not announced
	Head    uint64 // Seq of the newest event when p last read the history
	Evicted uint64 // bytes of all events that had left the cache by then

	snapshot []*event // that has not been read, oldest first
	last     uint64   // Seq of the last event that was read from the snapshot
	givenUp  bool     // by GiveUp, until Resume
}

// SnapshotLeft returns how many events of the snapshot have not been read.
func (p *Position) SnapshotLeft() int { return len(p.snapshot) }

// SnapshotRead reports whether the whole snapshot has been read. It is false
// after GiveUp, until Resume.
func (p *Position) SnapshotRead() bool { return len(p.snapshot) == 0 && !p.givenUp }

// Filter removes the events that r does not take from the snapshot.
func (p *Position) Filter(r *Reader) {
	p.snapshot = slices.DeleteFunc(p.snapshot, func(e *event) bool { return !r.Takes(e.def, e.Class) })
}

// GiveUp frees what is left of the snapshot.
func (p *Position) GiveUp() { p.snapshot, p.givenUp = nil, true }

// GivenUp reports whether GiveUp was called, and Resume was not.
func (p *Position) GivenUp() bool { return p.givenUp }

// Begin returns the position where a subscription begins. renew is set if the
// subscription had not read the whole snapshot that belongs to the cursor, and
// so needs one again.
func (h *History) Begin(from wire.From, cursor wire.Cursor, renew bool) (Position, error) {
	h.beginning.Lock()
	defer h.beginning.Unlock()
	return h.begin(from, cursor, renew)
}

// begin is Begin without beginning: it does not wait for the callers of Begin.
func (h *History) begin(from wire.From, cursor wire.Cursor, renew bool) (Position, error) {
	h.mu.Lock()
	p, edge, err := h.locate(from, cursor, renew)
	if edge != nil {
		p.snapshot = edge.snapshot()
	}
	h.mu.Unlock()
	p.snapshot = closeGaps(p.snapshot)
	return p, err
}

// After returns the position after a cursor, or at the oldest cached event if
// the cursor is zero. It has no snapshot.
func (h *History) After(cursor wire.Cursor) (Position, error) {
	from := wire.FromCursor
	if cursor.IsZero() {
		from = wire.FromOldest
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p, _, err := h.locate(from, cursor, false)
	return p, err
}

// Resume takes a new snapshot for p, whose snapshot was given up. If no event
// has been lost since the old snapshot, the new one goes on where the old one
// was given up. Otherwise p has a gap, and the new snapshot is whole.
func (h *History) Resume(p *Position) {
	q, err := h.begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: p.Next - 1}, true)
	if err != nil {
		panic(err) // the cursor is one of this history
	}
	if q.Missed == 0 {
		q.last = p.last
		first, _ := slices.BinarySearchFunc(q.snapshot, q.last+1, func(e *event, seq uint64) int { return cmp.Compare(e.seq, seq) })
		q.snapshot = q.snapshot[first:]
	}
	q.Missed += p.Missed
	*p = q
}

// SkipGap moves p to the oldest cached event if its next event has left the
// cache. It does not count the events that p misses, and takes no snapshot.
func (h *History) SkipGap(p *Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.Next = max(p.Next, h.cache.oldest)
}

// skip moves p, whose next event has left the cache, over the gap, and takes
// the snapshot at the tail.
func (h *History) skip(p *Position) {
	missed := p.Missed
	h.mu.Lock()
	*p = h.tail(p.Next)
	p.snapshot = h.runs.tail.snapshot()
	h.mu.Unlock()
	p.Missed += missed
	p.snapshot = closeGaps(p.snapshot)
}

// locate returns the position where a subscription begins, and the edge of
// which it gets a snapshot; nil for none. mu is held.
func (h *History) locate(from wire.From, cursor wire.Cursor, renew bool) (Position, *edge, error) {
	switch from {
	case wire.FromNow:
		return h.at(h.cache.head + 1), &h.runs.head, nil
	case wire.FromOldest:
		return h.at(h.cache.oldest), &h.runs.tail, nil
	case wire.FromCursor:
	default:
		return Position{}, nil, wire.Errorf(wire.BadRequest, "a subscription with From %d, which is not defined", from)
	}
	if cursor.Epoch != h.epoch {
		return h.tail(1), &h.runs.tail, nil // every event of this epoch is new to the client
	}
	switch next := cursor.Seq + 1; {
	case cursor.Seq > h.cache.head:
		return Position{}, nil, wire.Errorf(wire.BadRequest, "a cursor at event %d; the newest is %d", cursor.Seq, h.cache.head)
	case next < h.cache.oldest, renew && next == h.cache.oldest:
		return h.tail(next), &h.runs.tail, nil
	case renew:
		// There is no snapshot at next, because it lies within the cache. The
		// subscription goes on at the head, and misses the events up to there.
		p := h.at(h.cache.head + 1)
		p.Missed = p.Next - next
		return p, &h.runs.head, nil
	default:
		return h.at(next), nil, nil
	}
}

// tail returns the position at the oldest cached event, for a reader whose next
// event has left the cache or is the oldest. mu is held.
func (h *History) tail(next uint64) Position {
	p := h.at(h.cache.oldest)
	p.Missed = p.Next - next
	return p
}

// at returns the position before the event next. mu is held.
func (h *History) at(next uint64) Position {
	return Position{Next: next, Head: h.cache.head, Evicted: h.cache.evicted}
}
