package momserver

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// history.go holds the stream of events: what is published, and how readers
// get on in it.

// history is the newest events, and where every unfinished run stands at their
// two ends.
//
// A run's place at the tail is what a subscriber needs that goes on there: the
// run's latest event among those that left the cache. So a snapshot at the tail
// followed by the cache tells the same as a snapshot at the head.
type history struct {
	epoch     uuid.UUID
	types     []byte // type definitions of the encoder
	maxEvents int
	maxBytes  int
	maxEvent  int
	maxRuns   int
	maxSilent time.Duration // silence of a run after which a new run may end it

	// mu guards all below. It is held while one event is encoded and stored, or
	// two if one run gives way to another; while events leave a full cache; and
	// while a snapshot is taken, which is a pointer for each unfinished run or
	// each job.
	mu     sync.Mutex
	closed bool
	enc    *protocol.EventEncoder
	cache  cache
	runs   runs
	jobs   latest
}

func newHistory(cfg *Config) *history {
	h := &history{
		epoch: uuid.New(), enc: protocol.NewEventEncoder(), cache: newCache(), jobs: latest{bound: cfg.MaxJobs},
		maxEvents: cfg.CacheEvents, maxBytes: cfg.CacheBytes, maxEvent: cfg.MaxEventBytes, maxRuns: cfg.MaxRuns, maxSilent: cfg.MaxRunSilence,
	}
	h.types = h.enc.Types()
	return h
}

// publish gives the event, of the time at, the next Seq and appends it. It
// refuses, and changes nothing, after close, over the bound of an event, for a run
// that gave way to another, and for the first event of a run over the bound of
// unfinished runs. In the last case, if an unfinished run has been silent for too
// long, publish ends that run first, instead of refusing. ofJob is set if the
// event's run has a [Job], whose owner ends it.
func (h *history) publish(ev *wire.Event, at time.Duration, ofJob bool) error {
	m := mark{state: ev.Data.Status.State, severity: ev.Severity(), final: ev.EndsRun(), faulty: ev.CompletedWithErrors(), at: at}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return wire.Errorf(wire.Closed, "momserver: publish after Shutdown or Close")
	}
	if h.runs.gaveWay(ev.RunID) {
		return wire.Errorf(wire.RunEnded, "momserver: no %v: the server has ended the run, because nothing was published of it for Config.MaxRunSilence", ev.Data.Status.State)
	}
	run := h.runs.get(ev.RunID)
	over := !m.final && h.runs.unfinished() >= h.maxRuns && !run.isUnfinished()
	err := h.encode(ev, run, m, ofJob, over)
	h.runs.forget(ev.RunID, run)
	for h.cache.len() > h.maxEvents || h.cache.bytes > h.maxBytes && h.cache.len() > 1 {
		h.evict()
	}
	return err
}

// encode encodes and appends the event. If over is set, the event begins a run
// over the bound of unfinished runs: encode first ends a silent run, which
// gives way, or refuses the event if there is none. mu is held.
func (h *history) encode(ev *wire.Event, run *runState, m mark, ofJob, over bool) (err error) {
	var silent *runState
	var end mark
	var last []byte // the event that ends silent
	if over {
		if silent = h.runs.silentFor(h.maxSilent, m.at); silent == nil {
			return wire.Errorf(wire.Full, "momserver: %d unfinished runs already (Config.MaxRuns)", h.maxRuns)
		}
		if end, last, err = h.encodeEnd(silent, m.at); err != nil {
			return err
		}
	}
	ev.Seq = h.cache.head + 1
	if silent != nil {
		ev.Seq++
	}
	var data []byte
	if m.def, data, err = h.enc.Encode(ev, &run.common, h.maxEvent); err != nil {
		return err
	}
	if silent != nil {
		h.append(end, last, silent, false)
		h.runs.giveWay(end.def.RunID(), h.maxRuns)
	}
	h.append(m, data, run, ofJob)
	return nil
}

// append appends an event to the cache, and makes it the latest of its run and
// its job. mu is held.
func (h *history) append(m mark, data []byte, run *runState, ofJob bool) {
	e := h.cache.append(m, data)
	h.runs.publish(run, &e, ofJob)
	h.jobs.publish(&e)
}

// encodeEnd encodes the event that ends a silent run: a copy of the run's
// latest event without its package, with the reason in the log. mu is held.
func (h *history) encodeEnd(run *runState, at time.Duration) (m mark, data []byte, err error) {
	var known protocol.Known
	var ev wire.Event
	was := run.head.e
	err = protocol.NewEventDecoder(h.types).Decode(append(known.Append(nil, was.def), was.data...), 1, func(e *wire.Event) { ev = *e })
	if err != nil {
		panic(err) // the cache holds what this process encoded
	}
	now := time.Now().UTC()
	ev.Seq = h.cache.head + 1
	ev.Data.Header, ev.Data.Body = nil, nil
	ev.Data.Progress.Errors++
	ev.Data.Status = wire.Status{State: wire.ExportingError, Final: true, SentTime: now, ReceivedTime: now, Log: []wire.LogEntry{{
		Time: now, Severity: wire.SeverityError,
		Message: fmt.Sprintf("nothing was published of this run for %v (Config.MaxRunSilence), and another needed its place (Config.MaxRuns)", (at - run.spoke).Truncate(time.Second)),
	}}}
	m = mark{state: wire.ExportingError, severity: wire.SeverityError, final: true, at: at}
	m.def, data, err = h.enc.Encode(&ev, &run.common, h.maxEvent)
	for _, leaveOut := range []func(){ // one after the other, while the event is too large
		func() { ev.Data.Initialize = nil },
		func() { ev.Data.Status.Log = nil },
		func() { ev.Data.Progress = wire.Progress{Errors: 1} },
	} {
		if errors.Is(err, wire.TooLarge) {
			leaveOut()
			m.def, data, err = h.enc.Encode(&ev, &run.common, h.maxEvent)
		}
	}
	return m, bytes.Clone(data), err
}

// evict moves the oldest event from the cache into the state at the tail.
func (h *history) evict() {
	e := h.cache.at(h.cache.oldest)
	h.runs.evict(e)
	h.jobs.evict(e)
	if def, seq := h.cache.passed(); def != nil {
		h.runs.unpin(def, seq)
	}
	h.cache.dropOldest()
}

// close refuses further events.
func (h *history) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
}

// headSeq returns the Seq of the newest event.
func (h *history) headSeq() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cache.head
}

// place is where a reader goes on. It has passed all events before next. missed
// of them are lost and not yet announced. The reader reads the snapshot first.
type place struct {
	next     uint64
	head     uint64 // Seq of the newest event when the reader last looked
	left     uint64 // bytes of events that had left the cache then
	missed   uint64
	snapshot []*entry
	last     uint64 // Seq of the latest event that was read from the snapshot
	givenUp  bool   // the rest of the snapshot was given up; see resume
}

// isRead reports whether the whole snapshot has been read.
func (p *place) isRead() bool { return len(p.snapshot) == 0 && !p.givenUp }

// giveUp frees what is left of the snapshot.
func (p *place) giveUp() { p.snapshot, p.givenUp = nil, true }

// begin returns the place where a subscription begins.
func (h *history) begin(from wire.From, cursor wire.Cursor, renew bool) (place, error) {
	h.mu.Lock()
	p, end, err := h.locate(from, cursor, renew)
	if end != nil {
		p.snapshot = end.snapshot()
	}
	h.mu.Unlock()
	bySeq(p.snapshot)
	return p, err
}

// resume takes a new snapshot for p, whose snapshot was given up. If no event
// after the old snapshot has been lost, the new one goes on where the old one
// ended. Otherwise p has a gap, and the new snapshot is complete.
func (h *history) resume(p *place) {
	q, err := h.begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: p.next - 1}, true)
	if err != nil {
		panic(err) // the cursor is one of this history
	}
	if q.missed == 0 {
		q.last = p.last
		first, _ := slices.BinarySearchFunc(q.snapshot, q.last+1, func(e *entry, seq uint64) int { return cmp.Compare(e.seq, seq) })
		q.snapshot = q.snapshot[first:]
	}
	q.missed += p.missed
	*p = q
}

// after returns the place after a cursor, or where that is zero the oldest, for
// who has no use for a snapshot.
func (h *history) after(cursor wire.Cursor) (place, error) {
	from := wire.FromCursor
	if cursor.IsZero() {
		from = wire.FromOldest
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p, _, err := h.locate(from, cursor, false)
	return p, err
}

// locate returns the place where a subscription begins, and of which end it is
// to have a snapshot; nil for none. mu is held.
func (h *history) locate(from wire.From, cursor wire.Cursor, renew bool) (place, *end, error) {
	head := h.cache.head
	switch from {
	case wire.FromNow:
		return place{next: head + 1, head: head, left: h.cache.left}, &h.runs.head, nil
	case wire.FromOldest:
		return h.tail(h.cache.oldest), &h.runs.tail, nil
	case wire.FromCursor:
	default:
		return place{}, nil, wire.Errorf(wire.BadRequest, "a subscription from %d, which is no place", from)
	}
	if cursor.Epoch != h.epoch {
		// A place in another server's life: all of this one is new.
		return h.tail(1), &h.runs.tail, nil
	}
	next := cursor.Seq + 1
	switch {
	case cursor.Seq > head:
		return place{}, nil, wire.Errorf(wire.BadRequest, "a cursor at event %d; the newest is %d", cursor.Seq, head)
	case next < h.cache.oldest, renew && next == h.cache.oldest:
		return h.tail(next), &h.runs.tail, nil
	case renew:
		// The snapshot at next is gone with the events before it that the
		// cache has passed on: go on from the head, and count what is skipped.
		return place{next: head + 1, head: head, left: h.cache.left, missed: head + 1 - next}, &h.runs.head, nil
	}
	return place{next: next, head: head, left: h.cache.left}, nil, nil
}

// tail returns the place at the oldest cached event for a reader that wants
// next, which has left the cache or is the oldest. mu is held.
func (h *history) tail(next uint64) place {
	return place{next: h.cache.oldest, head: h.cache.head, left: h.cache.left, missed: h.cache.oldest - next}
}

// stretch is events of one segment, which can be read without the lock.
type stretch struct {
	seg      *segment
	data     []byte // of seg, as it was under the lock
	defs     []*protocol.Definition
	from, to int // in seg
}

// event returns what there is to know of the i-th event of the segment without
// decoding it.
func (s *stretch) event(i int) (*protocol.Definition, wire.State, wire.Severity) {
	m := s.seg.marks[i]
	return s.defs[m.def], m.state(), m.severity()
}

// stretch returns events from p.next on. It returns none if p.next is past the
// newest event, or if p.next has left the cache, which is a gap.
func (h *history) stretch(p *place) (s stretch, gap bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.head, p.left = h.cache.head, h.cache.left
	if p.next < h.cache.oldest || p.next > p.head {
		return stretch{}, p.next <= p.head
	}
	seg, i := h.cache.find(p.next)
	return stretch{seg: seg, data: seg.data, defs: seg.defs, from: i, to: min(segmentEvents, i+int(p.head-p.next)+1)}, false
}

// skip moves p over a gap.
func (h *history) skip(p *place) {
	missed := p.missed
	h.mu.Lock()
	*p = h.tail(p.next)
	p.snapshot = h.runs.tail.snapshot()
	h.mu.Unlock()
	p.missed += missed
	bySeq(p.snapshot)
}

// skipTo moves p to the oldest event in the cache.
func (h *history) skipTo(p *place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.next = max(p.next, h.cache.oldest)
}

// portion bounds one reading.
type portion struct {
	last   uint64 // Seq of the last event
	looks  int    // events that the reading looks at, about, whether it copies them or not
	events int    // events that it copies
	bytes  int    // bytes that it copies, about; one event is copied always
}

// read copies the events from p.next on that r takes into dst, with the
// definitions that r needs. It moves p past the events that it looked at, and
// returns the number of events that it copied. If p.next has left the cache,
// read gives p the gap and its snapshot instead.
func (h *history) read(p *place, r *reader, most portion, dst []byte) ([]byte, int) {
	n, start, all, first := 0, len(dst), r.takesAll(), p.next
	for n < most.events && p.next <= most.last && p.next-first < uint64(most.looks) {
		s, gap := h.stretch(p)
		if s.seg == nil {
			if gap && n == 0 { // else it is for the next reading
				h.skip(p)
			}
			return dst, n
		}
		begin := uint32(0)
		if s.from > 0 {
			begin = s.seg.ends[s.from-1]
		}
		for i := s.from; i < s.to && n < most.events && p.next <= most.last; i++ {
			end := s.seg.ends[i]
			def, state, severity := s.event(i)
			if all || r.takes(def, state, severity) {
				if n > 0 && len(dst)-start+int(end-begin) > most.bytes {
					return dst, n
				}
				dst = append(r.known.Append(dst, def), s.data[begin:end]...)
				n++
			}
			begin = end
			p.next++
		}
	}
	return dst, n
}

// readSnapshot copies the events of p's snapshot that r takes, as read does. It
// removes the events that it looked at from the snapshot.
func (p *place) readSnapshot(r *reader, most portion, dst []byte) ([]byte, int) {
	n, start, all := 0, len(dst), r.takesAll()
	for looked := 0; looked < most.looks && n < most.events && len(p.snapshot) > 0; looked++ {
		e := p.snapshot[0]
		if all || r.takes(e.def, e.state, e.severity) {
			if n > 0 && len(dst)-start+len(e.data) > most.bytes {
				break
			}
			dst = append(r.known.Append(dst, e.def), e.data...)
			n++
		}
		p.last, p.snapshot[0] = e.seq, nil
		p.snapshot = p.snapshot[1:]
	}
	if len(p.snapshot) == 0 {
		p.snapshot = nil
	}
	return dst, n
}

// readJobs copies the latest events of jobs after the given one, of those that
// sees has, in the order of their IDs, until about maxBytes. It reports whether
// there are more.
func (h *history) readJobs(after uuid.UUID, sees *jobSet, maxBytes int, dst []byte) (_ []byte, n int, more bool) {
	h.mu.Lock()
	all := h.jobs.all()
	h.mu.Unlock()
	sortByJob(all)
	var known protocol.Known
	for _, e := range all {
		if compareIDs(e.def.JobID(), after) <= 0 || !sees.has(e.def) {
			continue
		}
		if n > 0 && len(dst)+len(e.data) > maxBytes {
			return dst, n, true
		}
		dst = append(known.Append(dst, e.def), e.data...)
		n++
	}
	return dst, n, false
}
