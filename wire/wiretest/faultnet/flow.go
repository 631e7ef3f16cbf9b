package faultnet

import "time"

// flow is one direction of a connection: bytes between a Write and the Read at
// the other end. The network's mu guards it.
type flow struct {
	link *Link
	way  Way

	pieces []piece
	bytes  int       // in pieces
	last   time.Time // when the latest piece arrives
	framer framer
	torn   bool // the next message arrives in half, and then a reset
	cutOff bool // that has happened, and nothing arrives after it
	ended  bool // nothing is written any more
	endAt  time.Time
}

// piece is bytes that arrive together.
type piece struct {
	data    []byte
	written time.Time
	at      time.Time // when they arrive, unless the way is blocked by then
}

// space returns how many bytes may be written.
func (f *flow) space() int { return max(0, f.link.shape.Buffer-f.bytes) }

// write takes bytes and reports whether the connection is torn by them. A
// message arrives at an instant of its own, in pieces a nanosecond apart.
func (f *flow) write(data []byte, now time.Time) (torn bool) {
	for len(data) > 0 && !f.cutOff {
		n := f.framer.take(data)
		message := append([]byte(nil), data[:n]...)
		data = data[n:]
		if torn = f.torn; torn {
			f.cutOff = true
			message = message[:(n+1)/2]
		}
		for size := f.pieceSize(len(message)); len(message) > 0; {
			k := min(size, len(message))
			f.add(piece{data: message[:k], written: now})
			message = message[k:]
		}
	}
	return torn
}

// pieceSize cuts a message of n bytes up.
func (f *flow) pieceSize(n int) int {
	pieces := max(1, f.link.shape.Pieces)
	if rate := f.link.rate[f.way]; rate > 0 {
		return max(1, min(n/pieces+1, rate/20)) // slowly, but not by the byte
	}
	return n/pieces + 1
}

func (f *flow) add(p piece) {
	p.at = f.arrivalOf(p, p.written)
	f.last = p.at
	f.pieces = append(f.pieces, p)
	f.bytes += len(p.data)
}

// arrivalOf returns when a piece arrives that sets out at an instant, after
// the one before.
func (f *flow) arrivalOf(p piece, from time.Time) time.Time {
	at := f.link.arrival(from, f.way)
	next := f.last.Add(time.Nanosecond)
	if rate := f.link.rate[f.way]; rate > 0 {
		took := time.Duration(len(p.data)) * time.Second / time.Duration(rate)
		next = f.link.arrival(f.last.Add(took), f.way).Add(-f.link.latency(f.last.Add(took), f.way))
	}
	if next.After(at) {
		return next
	}
	return at
}

// reschedule has what would have arrived after since set out again, at now.
func (f *flow) reschedule(since, now time.Time) {
	f.last = time.Time{}
	for i := range f.pieces {
		p := &f.pieces[i]
		if p.at.After(since) {
			p.at = f.arrivalOf(*p, now)
		}
		f.last = p.at
	}
	if f.ended && f.endAt.After(since) {
		f.endAt = f.endOf(now)
	}
}

// endOf returns when the end arrives that sets out at an instant.
func (f *flow) endOf(from time.Time) time.Time {
	if at := f.link.arrival(from, f.way); at.After(f.last) {
		return at
	}
	return f.last.Add(time.Nanosecond)
}

// heldBack reports whether the way was blocked before at.
func (f *flow) heldBack(at time.Time) bool {
	since := f.link.blocked[f.way]
	return !since.IsZero() && at.After(since)
}

// ready reports whether something can be read, and if not, how long that will
// take; an hour stands for not before a change.
func (f *flow) ready(now time.Time) (bytes, end bool, wait time.Duration) {
	switch {
	case len(f.pieces) > 0:
		if p := &f.pieces[0]; f.heldBack(p.at) {
			return false, false, time.Hour
		} else if p.at.After(now) {
			return false, false, p.at.Sub(now)
		}
		return true, false, 0
	case !f.ended || f.heldBack(f.endAt):
		return false, false, time.Hour
	case f.endAt.After(now):
		return false, false, f.endAt.Sub(now)
	}
	return false, true, 0
}

// read copies what has arrived: one piece, or a part.
func (f *flow) read(to []byte) int {
	p := &f.pieces[0]
	n := copy(to, p.data)
	if p.data = p.data[n:]; len(p.data) == 0 {
		f.pieces = f.pieces[1:]
	}
	f.bytes -= n
	return n
}

// end has the reader come to the end, after all that was written.
func (f *flow) end(now time.Time) {
	if f.ended {
		return
	}
	f.ended, f.endAt = true, f.endOf(now)
}
