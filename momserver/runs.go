package momserver

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/google/uuid"

	"mom/wire"
)

// runState is where one run stands at the two ends of the cache. Its entries
// point into the cache while the events are there, and to copies after.
type runState struct {
	common wire.Common
	head   entry // its newest event
	tail   entry // its newest event that has left the cache; none with Seq 0
}

// runs holds the runs that are unfinished at either end of the cache. Its zero
// value is empty. The history guards it.
type runs struct {
	byID       map[uuid.UUID]*runState
	unfinished int // at the head
}

// get returns the state of a run, making it where there is none.
func (r *runs) get(id uuid.UUID) *runState {
	if s := r.byID[id]; s != nil {
		return s
	}
	if r.byID == nil {
		r.byID = make(map[uuid.UUID]*runState)
	}
	s := new(runState)
	r.byID[id] = s
	return s
}

// isUnfinished reports whether the run is unfinished at the head.
func (s *runState) isUnfinished() bool { return s.head.seq > 0 && !s.head.final }

// publish makes e the run's newest event.
func (r *runs) publish(s *runState, e entry) {
	was := s.isUnfinished()
	s.head = e
	switch {
	case !e.final && !was:
		r.unfinished++
	case e.final:
		s.common = wire.Common{}
		if was {
			r.unfinished--
		}
	}
}

// forget removes a run that is of no interest at either end.
func (r *runs) forget(id uuid.UUID, s *runState) {
	if s.tail.seq == 0 && !s.isUnfinished() {
		delete(r.byID, id)
	}
}

// evict takes note that e is about to leave the cache.
func (r *runs) evict(e entry) {
	id := e.def.RunID()
	s := r.get(id)
	if s.head.seq == e.seq { // silent for as long as the cache reaches back
		e.data = bytes.Clone(e.data)
		s.head = e
	}
	s.tail = e
	if e.final {
		s.tail = entry{}
	}
	r.forget(id, s)
}

// unpin makes the run's tail a copy where it is the event.
func (r *runs) unpin(def *wire.Definition, seq uint64) {
	if s := r.byID[def.RunID()]; s != nil && s.tail.seq == seq {
		s.tail.data = bytes.Clone(s.tail.data)
	}
}

// atHead returns the newest events of the runs that are unfinished there.
func (r *runs) atHead() []entry {
	all := make([]entry, 0, r.unfinished)
	for _, s := range r.byID {
		if s.isUnfinished() {
			all = append(all, s.head)
		}
	}
	return bySeq(all)
}

// atTail returns the newest events of those unfinished where the cache begins.
func (r *runs) atTail() []entry {
	var all []entry
	for _, s := range r.byID {
		if s.tail.seq > 0 {
			all = append(all, s.tail)
		}
	}
	return bySeq(all)
}

func bySeq(all []entry) []entry {
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
	return all
}
