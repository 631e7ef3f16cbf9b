package history

import (
	"bytes"
	"math"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// meta is what the server needs to know of an event without decoding it.
type meta struct {
	def *protocol.Definition // completes the event; has its run and job
	Class
	at time.Duration // when it was published, since the server was made; a cached one is cut to seconds
}

// final reports whether the event ends its run.
func (m *meta) final() bool { return m.Outcome != 0 }

// event is one cached event. It does not change while a reader may look at it without
// the lock.
type event struct {
	meta
	seq  uint64
	data []byte // as the encoder wrote it
}

// segmentEvents is how many events a segment holds.
const segmentEvents = 64

// slack bounds the bytes that a segment reserves in vain, to one in slack. With a lower
// bound, nearly every segment would be copied.
const slack = 16

// segment holds consecutive events, one after another in one piece of memory.
// Bytes that have been written never change, so a reader that has got the
// segment under the lock copies from it without the lock. The metas are packed,
// because they come on top of the bytes of each event.
type segment struct {
	data  []byte
	ends  [segmentEvents]uint32  // where each event ends in data
	defs  []*protocol.Definition // that complete the events
	metas [segmentEvents]packedMeta
	began time.Duration // when the first event was published
}

// packedMeta is a meta as a segment keeps it.
type packedMeta struct {
	after uint16 // seconds since began; 18 hours at most
	bits  uint16 // the class, and the index in defs
}

// Where the parts of packedMeta.bits begin. There are nine states, three severities,
// four outcomes, and no more definitions than events in a segment.
const (
	severityAt = 4
	outcomeAt  = 6
	defAt      = 9
)

func pack(c Class, def int) uint16 {
	return uint16(c.State)&15 | uint16(c.Severity)&3<<severityAt | uint16(c.Outcome)&7<<outcomeAt | uint16(def)<<defAt
}

func (p packedMeta) class() Class {
	return Class{wire.State(p.bits & 15), wire.Severity(p.bits >> severityAt & 3), wire.Outcome(p.bits >> outcomeAt & 7)}
}

func (p packedMeta) def() int { return int(p.bits >> defAt) }

// put makes m the meta of the i-th event.
func (s *segment) put(i int, m *meta) {
	if i == 0 {
		s.began = m.at
	}
	def := len(s.defs) - 1
	for def >= 0 && s.defs[def] != m.def {
		def--
	}
	if def < 0 {
		def = len(s.defs)
		s.defs = append(s.defs, m.def)
	}
	seconds := uint16(min((m.at-s.began)/time.Second, math.MaxUint16))
	s.metas[i] = packedMeta{after: seconds, bits: pack(m.Class, def)}
}

// meta returns the meta of the i-th event.
func (s *segment) meta(i int) meta {
	small := s.metas[i]
	return meta{
		def: s.defs[small.def()], Class: small.class(),
		at: s.began + time.Duration(small.after)*time.Second,
	}
}

// slice returns the bytes of the i-th to the j-th event, without the j-th.
func (s *segment) slice(i, j int) []byte {
	start := uint32(0)
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.data[start:s.ends[j-1]:s.ends[j-1]]
}

// cache holds the newest events by their Seq. The history guards it.
type cache struct {
	segments []*segment
	last     *segment // the one before these; nil for none
	base     uint64   // Seq of the first segment's first event
	oldest   uint64   // Seq of the oldest event; head+1 for none
	head     uint64   // Seq of the newest event, 0 for none
	bytes    int      // of the events and of their definitions
	evicted  uint64   // bytes of the events that have left
}

func newCache() cache { return cache{base: 1, oldest: 1} }

// len returns the number of events.
func (c *cache) len() int { return int(c.head - c.oldest + 1) }

// find returns the segment of an event in the cache, and the event's index
// there.
func (c *cache) find(seq uint64) (*segment, int) {
	i := seq - c.base
	return c.segments[i/segmentEvents], int(i % segmentEvents)
}

// at returns an event in the cache.
func (c *cache) at(seq uint64) event {
	s, i := c.find(seq)
	return event{meta: s.meta(i), seq: seq, data: s.slice(i, i+1)}
}

// append appends an event, and returns it.
func (c *cache) append(m meta, data []byte) event {
	i := int((c.head + 1 - c.base) % segmentEvents)
	if i == 0 {
		size := 16 * len(data)
		if n := len(c.segments); n > 0 {
			last := c.segments[n-1]
			if size = len(last.data); cap(last.data)-size > size/slack {
				last.data = bytes.Clone(last.data) // frees what append reserved
			}
		}
		c.segments = append(c.segments, &segment{data: make([]byte, 0, size+size/slack)})
	}
	s := c.segments[len(c.segments)-1]
	s.data = append(s.data, data...)
	s.put(i, &m)
	s.ends[i] = uint32(len(s.data))
	c.head++
	c.bytes += len(data) + m.def.Retain()
	return event{meta: m, seq: c.head, data: s.slice(i, i+1)}
}

// dropOldest removes the oldest event.
func (c *cache) dropOldest() {
	s, i := c.find(c.oldest)
	size := len(s.slice(i, i+1))
	c.bytes -= size + s.defs[s.metas[i].def()].Release()
	c.evicted += uint64(size)
	c.oldest++
	if i == segmentEvents-1 {
		c.last, c.segments[0] = s, nil
		c.segments = c.segments[1:]
		c.base += segmentEvents
	}
}

// lagging returns the event that left the cache segmentEvents events ago; nil
// if there is none. It is called before each dropOldest, and so returns every
// event once. A pointer to that event's bytes would keep a whole segment in
// memory that has left the cache.
func (c *cache) lagging() (*protocol.Definition, uint64) {
	if c.last == nil {
		return nil, 0
	}
	return c.last.meta(int((c.oldest - c.base) % segmentEvents)).def, c.oldest - segmentEvents
}
