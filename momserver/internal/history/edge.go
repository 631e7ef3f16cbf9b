package history

import (
	"cmp"
	"slices"
)

// ref is where an edge has the event of a run, or of a job.
type ref struct {
	e  *event // nil for none. It points into the cache while the event is there, and to a copy after
	at int    // in the edge's lists
}

// edge holds the latest event of each run that is unfinished at one edge of the
// cache: the head or the tail. The events lie in one piece, in no order, so that
// taking a snapshot under the history's lock is copying memory.
type edge struct {
	events []*event // never changed where they point to: a snapshot has them too
	refs   []*ref   // whose they are
}

// set makes e the newest event of the ref's run.
func (o *edge) set(s *ref, e *event) {
	if s.e == nil {
		s.at = len(o.events)
		o.events, o.refs = append(o.events, e), append(o.refs, s)
	}
	s.e, o.events[s.at] = e, e
}

// clear takes the ref's run out.
func (o *edge) clear(s *ref) {
	if s.e == nil {
		return
	}
	last := len(o.events) - 1
	o.events[s.at], o.refs[s.at] = o.events[last], o.refs[last]
	o.refs[s.at].at = s.at
	o.events[last], o.refs[last] = nil, nil
	o.events, o.refs = o.events[:last], o.refs[:last]
	s.e = nil
}

// snapshot returns the events, in no order; see bySeq.
func (o *edge) snapshot() []*event { return slices.Clone(o.events) }

// bySeq puts a snapshot in order. It needs no lock.
func bySeq(snapshot []*event) {
	slices.SortFunc(snapshot, func(a, b *event) int { return cmp.Compare(a.seq, b.seq) })
}
