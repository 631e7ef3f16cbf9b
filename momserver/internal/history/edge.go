package history

import "slices"

// ref is where an edge has the event of a run.
type ref struct {
	e  *event // nil for none; its data lies in the cache while the event is there, and in a copy afterwards
	at int    // index in the edge's lists

	taken uint64 // edge.taken when e was set
}

// edge holds the latest event of each run that is unfinished at one edge of the
// cache, the head or the tail. The pointers lie in one piece, in the order of the
// events, so that taking a snapshot under the history's lock is copying memory, and
// no snapshot has to be sorted. Events that have been replaced or removed leave
// gaps, which are closed when there are more gaps than events, and minGaps more.
type edge struct {
	n      int      // events
	events []*event // nil for a gap; one that a snapshot may hold is replaced, never changed
	refs   []*ref   // the ref of each event
	taken  uint64   // number of snapshots that have been taken
}

// minGaps is how many gaps an edge may have even without events.
const minGaps = 64

// set makes a copy of e the latest event of r's run. e is either newer than all events
// of the edge, or another copy of r's event. The copy uses the memory of the event that
// it replaces, unless a snapshot may hold that event.
func (g *edge) set(r *ref, e event) {
	own, moves := r.e, r.e == nil || r.e.seq != e.seq
	if own == nil || r.taken != g.taken {
		own = new(event)
	}
	if moves {
		g.clear(r)
		r.at = len(g.events)
		g.events, g.refs = append(g.events, nil), append(g.refs, r)
		g.n++
	}
	*own = e
	r.e, r.taken, g.events[r.at] = own, g.taken, own
}

// clear removes r's run.
func (g *edge) clear(r *ref) {
	if r.e == nil {
		return
	}
	g.events[r.at], g.refs[r.at], r.e = nil, nil, nil
	if g.n--; len(g.events)-g.n > g.n+minGaps {
		g.events, g.refs = slices.DeleteFunc(g.events, func(e *event) bool { return e == nil }), slices.DeleteFunc(g.refs, func(r *ref) bool { return r == nil })
		for i, r := range g.refs {
			r.at = i
		}
	}
}

// snapshot returns the events, with gaps; see closeGaps.
func (g *edge) snapshot() []*event {
	g.taken++
	return slices.Clone(g.events)
}

// closeGaps returns a snapshot without its gaps. It needs no lock.
func closeGaps(snapshot []*event) []*event {
	n := 0
	for _, e := range snapshot {
		if e != nil {
			n++
		}
	}
	closed := make([]*event, 0, n)
	for _, e := range snapshot {
		if e != nil {
			closed = append(closed, e)
		}
	}
	return closed
}
