package momserver

import (
	"sync"

	"github.com/google/uuid"

	"mom/wire"
)

// history.go holds the cache of events and what is known of unfinished runs.

// entry is one event in the cache. It never changes.
type entry struct {
	seq      uint64
	job, run uuid.UUID
	name     string
	state    wire.State
	severity wire.Severity
	final    bool
	bytes    []byte // as the encoder wrote it
}

// history is the stream of events: a ring of the newest, and where every
// unfinished run stands at its two ends.
//
// A run's place at the tail is what a subscriber needs that goes on there: the
// run's latest event among those that left the ring. So a snapshot at the tail
// followed by the ring tells the same as a snapshot at the head.
type history struct {
	epoch     uuid.UUID
	types     []byte // type definitions of the encoder
	maxEvents int
	maxBytes  int
	maxEvent  int
	maxRuns   int

	mu      sync.Mutex // guards all below; held for copying and encoding in memory only
	closed  bool
	enc     *wire.EventEncoder
	ring    []entry // grows to maxEvents, then wraps
	first   int     // index in ring of the oldest
	count   int     // entries in the ring
	bytes   int     // of their events
	head    uint64  // Seq of the newest event, 0 for none
	atHead  runs    // unfinished runs at the head
	atTail  runs    // unfinished runs just before the oldest entry
	jobs    runs    // latest event of each job
	maxJobs int
}

func newHistory(cfg *Config) *history {
	h := &history{
		epoch:     uuid.New(),
		enc:       wire.NewEventEncoder(),
		maxEvents: cfg.CacheEvents, maxBytes: cfg.CacheBytes, maxEvent: cfg.MaxEventBytes,
		maxRuns: cfg.MaxRuns, maxJobs: cfg.MaxJobs,
	}
	h.types = h.enc.Types()
	return h
}

// publish gives the event the next Seq and appends it. It refuses, and changes
// nothing, after close, over the bound of an event, and for the first event of
// a run over the bound of unfinished runs.
func (h *history) publish(ev *wire.Event) error {
	e := entry{
		job: ev.JobID, run: ev.RunID, name: ev.Name(),
		state: ev.Data.Status.State, severity: ev.Severity(), final: ev.EndsRun(),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return wire.Errorf(wire.CodeClosed, "momserver: publish after Shutdown or Close")
	}
	if !e.final && h.atHead.len() >= h.maxRuns && !h.atHead.has(e.run) {
		return wire.Errorf(wire.CodeFull, "momserver: %d unfinished runs already (Config.MaxRuns)", h.maxRuns)
	}
	ev.Seq = h.head + 1
	encoded, err := h.enc.Encode(ev, h.maxEvent)
	if err != nil {
		return err
	}
	h.head++
	e.seq = h.head
	e.bytes = append(make([]byte, 0, len(encoded)), encoded...)
	h.append(e)
	h.atHead.put(e.run, e)
	h.jobs.latest(e.job, e)
	if h.jobs.len() > h.maxJobs {
		h.jobs.dropOldest()
	}
	return nil
}

// append puts e at the head of the ring, and drops what is over the bounds at
// its tail.
func (h *history) append(e entry) {
	if h.count == h.maxEvents {
		h.evict()
	}
	if len(h.ring) < h.maxEvents && h.count == len(h.ring) {
		h.grow()
	}
	h.ring[(h.first+h.count)%len(h.ring)] = e
	h.count++
	h.bytes += len(e.bytes)
	for h.bytes > h.maxBytes && h.count > 1 {
		h.evict()
	}
}

// grow makes the ring larger, with the oldest entry at its start.
func (h *history) grow() {
	ring := make([]entry, min(max(64, 2*len(h.ring)), h.maxEvents))
	for i := range h.count {
		ring[i] = *h.at(i)
	}
	h.ring, h.first = ring, 0
}

// at returns the i-th oldest entry.
func (h *history) at(i int) *entry { return &h.ring[(h.first+i)%len(h.ring)] }

// evict moves the oldest entry from the ring into the state at the tail.
func (h *history) evict() {
	e := h.at(0)
	h.atTail.put(e.run, *e)
	h.bytes -= len(e.bytes)
	*e = entry{}
	h.first = (h.first + 1) % len(h.ring)
	h.count--
}

// oldest returns the Seq of the oldest cached event; head+1 when there is none.
func (h *history) oldest() uint64 { return h.head - uint64(h.count) + 1 }

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
	return h.head
}

// place is where a reader goes on: all before next are behind it, missed of
// them for good, and snapshot is to be read first.
type place struct {
	next     uint64
	head     uint64
	missed   uint64
	snapshot []entry
}

// begin returns the place where a subscription begins.
func (h *history) begin(from wire.From, cursor wire.Cursor, renew bool) (place, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch from {
	case wire.FromNow:
		return place{next: h.head + 1, head: h.head, snapshot: h.atHead.list()}, nil
	case wire.FromOldest:
		return h.tail(h.oldest()), nil
	case wire.FromCursor:
	default:
		return place{}, wire.Errorf(wire.CodeBadRequest, "a subscription from %d, which is no place", from)
	}
	if cursor.Epoch != h.epoch {
		// A place in another server's life: all of this one is new.
		return h.tail(1), nil
	}
	next := cursor.Seq + 1
	switch {
	case cursor.Seq > h.head:
		return place{}, wire.Errorf(wire.CodeBadRequest, "a cursor at event %d; the newest is %d", cursor.Seq, h.head)
	case next < h.oldest():
		return h.tail(next), nil
	case renew && next == h.oldest():
		return h.tail(next), nil
	case renew:
		// The snapshot at next is gone with the events before it that the
		// ring has passed on: go on from the head, and count what is skipped.
		return place{next: h.head + 1, head: h.head, missed: h.head + 1 - next, snapshot: h.atHead.list()}, nil
	}
	return place{next: next, head: h.head}, nil
}

// tail returns the place at the oldest cached event for a reader that wants
// next, which has left the cache or is the oldest. mu is held.
func (h *history) tail(next uint64) place {
	oldest := h.oldest()
	return place{next: oldest, head: h.head, missed: oldest - next, snapshot: h.atTail.list()}
}

// read copies events from p.next on that the filter takes into dst, until
// maxEvents or, after at least one, about maxBytes. It moves p past what it
// looked at and returns how many it copied. Where p.next has left the cache it
// copies nothing and gives p the gap and its snapshot instead.
func (h *history) read(p *place, filter *wire.Filter, maxEvents, maxBytes int, dst []byte) ([]byte, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.head = h.head
	if p.next < h.oldest() {
		missed := p.missed
		*p = h.tail(p.next)
		p.missed += missed
		return dst, 0
	}
	all, n, start := filter.IsZero(), 0, len(dst)
	for i := int(p.next - h.oldest()); i < h.count && n < maxEvents; i++ {
		e := h.at(i)
		if all || filter.Match(e.job, e.name, e.state, e.severity) {
			if n > 0 && len(dst)-start+len(e.bytes) > maxBytes {
				break
			}
			dst = append(dst, e.bytes...)
			n++
		}
		p.next = e.seq + 1
	}
	return dst, n
}

// readJobs copies the latest events of jobs after the given one, in the order
// of their IDs, until about maxBytes. It reports whether there are more.
func (h *history) readJobs(after uuid.UUID, maxBytes int, dst []byte) (_ []byte, n int, more bool) {
	h.mu.Lock()
	latest := h.jobs.list()
	h.mu.Unlock()
	sortByJob(latest)
	for _, e := range latest {
		if compareIDs(e.job, after) <= 0 {
			continue
		}
		if n > 0 && len(dst)+len(e.bytes) > maxBytes {
			return dst, n, true
		}
		dst = append(dst, e.bytes...)
		n++
	}
	return dst, n, false
}
