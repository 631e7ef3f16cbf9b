package jobs

import (
	"math"
	"time"
)

// Times of a rate. The weight of an event falls by the factor e in each smoothing.
// Silence counts as a rate of 0 only after the grace, so that the rate does not
// fall between two events of a slow server.
const (
	smoothing = 5 * time.Second
	grace     = 2 * time.Second
	watched   = time.Second   // the run must be seen this long before it has a rate
	forgotten = 3 * smoothing // after this much silence beyond the grace there is no rate
)

// meter smooths the rate of a count of bytes: an exponentially weighted mean
// over time.
type meter struct {
	last   time.Time // of the last event, by the clock of the server
	heard  time.Time // when the last event came, by the clock of this machine
	bytes  int64
	seen   time.Duration // from the first event to the last
	sum    float64       // bytes per second, weighted
	weight float64       // approaches 1
}

// add adds the count at a time, and returns how many bytes came, and in which
// time. If the count falls, as when a package fails, or if the clock goes back,
// no bytes came.
func (m *meter) add(at, now time.Time, bytes int64) (from, to time.Time, moved int64) {
	moved = max(0, bytes-m.bytes)
	m.bytes, m.heard = bytes, now
	if m.last.IsZero() {
		m.last = at
		return at, at, 0
	}
	from = m.last
	step := at.Sub(from).Seconds()
	tau := smoothing.Seconds()
	if step <= 0 { // the limit of the formula below
		m.sum += float64(moved) / tau
		return from, from, moved
	}
	keep := math.Exp(-step / tau)
	m.sum = m.sum*keep + float64(moved)/step*(1-keep)
	m.weight = m.weight*keep + 1 - keep
	m.seen += at.Sub(from)
	m.last = at
	return from, at, moved
}

// rate returns the bytes per second at the time now, or 0 if the rate is
// unknown.
func (m *meter) rate(now time.Time) int64 {
	if m.seen < watched || m.weight == 0 {
		return 0
	}
	rate := m.sum / m.weight
	if silent := now.Sub(m.heard) - grace; silent > forgotten {
		return 0 // such a small rate would forecast days
	} else if silent > 0 {
		rate *= math.Exp(-silent.Seconds() / smoothing.Seconds())
	}
	return int64(min(math.Round(rate), 1<<62))
}

// pace is the mean rate of a count since it was first seen. Unlike that of a
// meter, it is steady although the count grows in large steps.
type pace struct {
	first, last time.Time // of the first and the last event, by the clock of the server
	heard       time.Time // when the last event came, by the clock of this machine
	from, count float64
}

func (p *pace) add(at, now time.Time, count float64) {
	if p.first.IsZero() {
		p.first, p.last, p.from = at, at, count
	}
	p.last, p.heard, p.count = later(p.last, at), now, count
}

// rate returns the count per second at the time now, or 0 if it is unknown.
func (p *pace) rate(now time.Time) float64 {
	seen := p.last.Sub(p.first) + max(0, now.Sub(p.heard))
	if seen < watched || p.count <= p.from {
		return 0
	}
	return (p.count - p.from) / seen.Seconds()
}

// series counts bytes over the time of a run in at most MaxSamples steps of
// equal length. A step is at least a second.
type series struct {
	start, end time.Time
	step       time.Duration
	bytes      []float64
}

// add spreads n bytes evenly over the time in which they came.
func (s *series) add(from, to time.Time, n int64) {
	if s.step == 0 {
		s.start, s.step = from, time.Second
	}
	from, to = later(from, s.start), later(to, s.start)
	s.end = later(s.end, to)
	last := s.reach(to)
	first := min(int(from.Sub(s.start)/s.step), last)
	if first == last {
		s.bytes[last] += float64(n)
		return
	}
	for i := first; i <= last; i++ {
		begin := s.start.Add(time.Duration(i) * s.step)
		part := earlier(begin.Add(s.step), to).Sub(later(begin, from))
		s.bytes[i] += float64(n) * float64(part) / float64(to.Sub(from))
	}
}

// reach makes the series long enough for t, and returns the index of its step.
func (s *series) reach(t time.Time) int {
	for t.Sub(s.start)/s.step >= MaxSamples {
		s.step *= 2
		for i := range s.bytes {
			if i%2 == 0 {
				s.bytes[i/2] = s.bytes[i]
			} else {
				s.bytes[i/2] += s.bytes[i]
			}
		}
		s.bytes = s.bytes[:(len(s.bytes)+1)/2]
	}
	i := int(t.Sub(s.start) / s.step)
	for len(s.bytes) <= i {
		s.bytes = append(s.bytes, 0)
	}
	return i
}

// view returns the rates. The rate of the last step is over the time that has
// passed in the step. If that is less than half a step, the last step is part of the
// one before, because a short time says little about the rate.
func (s *series) view() Throughput {
	n := len(s.bytes)
	v := Throughput{Start: s.start, Step: int64(s.step / time.Second), BytesPerSecond: make([]int64, n)}
	for i, bytes := range s.bytes {
		v.BytesPerSecond[i] = perSecond(bytes, s.step)
	}
	if n == 0 {
		return v
	}
	bytes, over := s.bytes[n-1], s.end.Sub(s.start)-time.Duration(n-1)*s.step
	if over < s.step/2 && n > 1 {
		n--
		bytes, over = bytes+s.bytes[n-1], over+s.step
	}
	v.BytesPerSecond[n-1] = perSecond(bytes, max(over, s.step/2))
	v.BytesPerSecond = v.BytesPerSecond[:n]
	return v
}

func perSecond(bytes float64, over time.Duration) int64 {
	return int64(min(math.Round(bytes/over.Seconds()), 1<<62))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
