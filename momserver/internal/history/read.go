package history

import (
	"github.com/google/uuid"

	"mom.internal/wire/protocol"
)

// Portion bounds one reading.
type Portion struct {
	Last   uint64 // Seq of the last event
	Looks  int    // about how many events are looked at, appended or not
	Events int    // how many events are appended
	Bytes  int    // about how many bytes are appended; one event always is
}

// span is consecutive events of one segment, which can be read without the
// lock.
type span struct {
	seg      *segment
	data     []byte // of seg, as it was under the lock
	defs     []*protocol.Definition
	from, to int // indexes in seg; without the event at to
}

// event returns the properties of the i-th event of the segment, without
// decoding it.
func (s *span) event(i int) (*protocol.Definition, Class) {
	m := s.seg.metas[i]
	return s.defs[m.def()], m.class()
}

// span returns events from p.Next on. It returns none if p.Next is past the
// newest event, or if the event p.Next has left the cache, which is a gap.
func (h *History) span(p *Position) (s span, gap bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.Head, p.Evicted = h.cache.head, h.cache.evicted
	if p.Next < h.cache.oldest || p.Next > p.Head {
		return span{}, p.Next <= p.Head
	}
	seg, i := h.cache.find(p.Next)
	return span{seg: seg, data: seg.data, defs: seg.defs, from: i, to: min(segmentEvents, i+int(p.Head-p.Next)+1)}, false
}

// Scan moves p past the newest event. It calls each with the properties of
// every event, before p passes that event. It stops and returns true if the
// next event has left the cache.
func (h *History) Scan(p *Position, each func(*protocol.Definition, Class)) (gap bool) {
	for {
		s, gap := h.span(p)
		if s.seg == nil {
			return gap
		}
		for i := s.from; i < s.to; i++ {
			each(s.event(i))
			p.Next++
		}
	}
}

// Read appends the events from p.Next on that r takes to dst, with the
// definitions that r needs. It moves p past the events that it looked at, and
// returns the number of events that it appended. If the event p.Next has left
// the cache, Read instead moves p over the gap and gives it a snapshot.
func (h *History) Read(p *Position, r *Reader, most Portion, dst []byte) ([]byte, int) {
	n, start, all, first := 0, len(dst), r.TakesAll(), p.Next
	for n < most.Events && p.Next <= most.Last && p.Next-first < uint64(most.Looks) {
		s, gap := h.span(p)
		if s.seg == nil {
			if gap && n == 0 { // otherwise the next reading meets the gap
				h.skip(p)
			}
			return dst, n
		}
		begin := uint32(0)
		if s.from > 0 {
			begin = s.seg.ends[s.from-1]
		}
		for i := s.from; i < s.to && n < most.Events && p.Next <= most.Last; i++ {
			end := s.seg.ends[i]
			def, class := s.event(i)
			if all || r.Takes(def, class) {
				if n > 0 && len(dst)-start+int(end-begin) > most.Bytes {
					return dst, n
				}
				dst = append(r.sent.Append(dst, def), s.data[begin:end]...)
				n++
			}
			begin = end
			p.Next++
		}
	}
	return dst, n
}

// ReadSnapshot appends the events of p's snapshot that r takes, as Read does.
// It removes the events that it looked at from the snapshot.
func (p *Position) ReadSnapshot(r *Reader, most Portion, dst []byte) ([]byte, int) {
	n, start, all := 0, len(dst), r.TakesAll()
	for looked := 0; looked < most.Looks && n < most.Events && len(p.snapshot) > 0; looked++ {
		e := p.snapshot[0]
		if all || r.Takes(e.def, e.Class) {
			if n > 0 && len(dst)-start+len(e.data) > most.Bytes {
				break
			}
			dst = append(r.sent.Append(dst, e.def), e.data...)
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

// ReadJobs appends the latest event of each visible job after the given one to
// dst, sorted by the IDs of the jobs, up to about maxBytes. It reports whether
// there are more.
func (h *History) ReadJobs(after uuid.UUID, visible *JobSet, maxBytes int, dst []byte) (_ []byte, n int, more bool) {
	var sent protocol.SentDefs
	for {
		h.mu.Lock()
		some := h.jobs.after(after, jobsAtOnce)
		h.mu.Unlock()
		for _, e := range some {
			after = e.def.JobID()
			if !visible.Has(e.def) {
				continue
			}
			if n > 0 && len(dst)+len(e.data) > maxBytes {
				return dst, n, true
			}
			dst = append(sent.Append(dst, e.def), e.data...)
			n++
		}
		if len(some) < jobsAtOnce {
			return dst, n, false
		}
	}
}

// jobsAtOnce is how many jobs ReadJobs looks up while it holds the lock.
const jobsAtOnce = 256
