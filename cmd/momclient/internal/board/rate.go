package board

import (
	"math"
	"time"
)

// Of a rate: an event counts e times less for each smoothing that has passed
// since. Silence counts as standing still after the grace, so that a rate does
// not fall between two events of a slow server.
const (
	smoothing = 5 * time.Second
	grace     = 2 * time.Second
	watched   = time.Second   // no rate before so much was seen of the run
	forgotten = 3 * smoothing // none after so much silence behind the grace
)

// meter smooths the rate of a count of bytes: an exponentially weighted mean
// over time.
type meter struct {
	last   time.Time // of the last event, by the server's clock
	heard  time.Time // when it came, by this machine's
	bytes  int64
	seen   time.Duration // from the first event to the last
	sum    float64       // bytes per second, weighted
	weight float64       // approaches 1
}

// add takes the count as of at, and returns how many bytes came since when. A
// count that falls, as when a package fails, moves nothing; nor does a clock
// that goes back.
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
	if step <= 0 { // the limit of what stands below
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

// rate returns the bytes per second as of now; 0 where it is not known.
func (m *meter) rate(now time.Time) int64 {
	if m.seen < watched || m.weight == 0 {
		return 0
	}
	rate := m.sum / m.weight
	if silent := now.Sub(m.heard) - grace; silent > forgotten {
		return 0 // what is left of it would only make a forecast of days
	} else if silent > 0 {
		rate *= math.Exp(-silent.Seconds() / smoothing.Seconds())
	}
	return int64(min(math.Round(rate), 1<<62))
}

// series counts bytes over a run's time in at most MaxSamples steps of equal
// length, from a second upwards.
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

// reach makes the series long enough for t, and returns t's place.
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

// view returns the rates. The last is over what has passed of its step, or
// half of it where that is less.
func (s *series) view() Throughput {
	v := Throughput{Start: s.start, Step: int64(s.step / time.Second), BytesPerSecond: make([]int64, len(s.bytes))}
	for i, n := range s.bytes {
		over := s.step
		if i == len(s.bytes)-1 {
			over = max(s.step/2, s.end.Sub(s.start)-time.Duration(i)*s.step)
		}
		v.BytesPerSecond[i] = int64(min(math.Round(n/over.Seconds()), 1<<62))
	}
	return v
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
