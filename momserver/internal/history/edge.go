package history

import (
	"cmp"
	"slices"
)

// ref is where an edge has the event of a run, or of a job.
type ref struct {
	e  *event // nil for none; its data lies in the cache while the event is there, and in a copy afterwards
	at int    // index in the edge's lists
}

// edge holds the latest event of each run that is unfinished at one edge of the
// cache, the head or the tail; or the latest event of each job. The pointers
// lie in one piece and in no order, so that taking a snapshot under the
// history's lock is copying memory.
type edge struct {
	events []*event // each is replaced, never changed, because a snapshot holds it too
	refs   []*ref   // the ref of each event
}

// set makes e the latest event of r's run or job.
func (g *edge) set(r *ref, e *event) {
	if r.e == nil {
		r.at = len(g.events)
		g.events, g.refs = append(g.events, e), append(g.refs, r)
	}
	r.e, g.events[r.at] = e, e
}

// clear removes r's run or job.
func (g *edge) clear(r *ref) {
	if r.e == nil {
		return
	}
	last := len(g.events) - 1
	g.events[r.at], g.refs[r.at] = g.events[last], g.refs[last]
	g.refs[r.at].at = r.at
	g.events[last], g.refs[last] = nil, nil
	g.events, g.refs = g.events[:last], g.refs[:last]
	r.e = nil
}

// snapshot returns the events in no order; see bySeq.
func (g *edge) snapshot() []*event { return slices.Clone(g.events) }

// bySeq sorts a snapshot. It needs no lock.
func bySeq(snapshot []*event) {
	slices.SortFunc(snapshot, func(a, b *event) int { return cmp.Compare(a.seq, b.seq) })
}
