package history

import (
	"bytes"
	"container/list"
	"time"

	"mom.internal/wire/protocol"

	"github.com/google/uuid"
)

// runState is where one run stands at the two edges of the cache.
type runState struct {
	common protocol.RunDefs
	head   ref // its newest event; empty where that ended it
	tail   ref // its newest event that has left the cache; empty for none, or where that ended it

	ofJob  bool          // it has a Job
	spoke  time.Duration // when its newest event was published
	silent *list.Element // in the list of silent runs; nil for none
}

// isUnfinished reports whether the run is unfinished at the head.
func (s *runState) isUnfinished() bool { return s.head.e != nil }

// runs holds the runs that are unfinished at either edge of the cache. Its zero
// value is empty. The history guards it.
type runs struct {
	byID map[uuid.UUID]*runState
	head edge
	tail edge

	// silent holds the *runState of each run at the head that has no Job, the
	// longest silent run first.
	silent list.List

	// gone holds the runs that gave way, so that none of them begins again. It
	// holds at most as many runs as may be unfinished, and forgets the oldest
	// first.
	gone  map[uuid.UUID]struct{}
	order []uuid.UUID // of gone, the oldest first
}

// giveWay records that the server, and not its owner, has ended the run. It
// keeps the latest runs that gave way, up to the number most.
func (r *runs) giveWay(id uuid.UUID, most int) {
	if r.gone == nil {
		r.gone = make(map[uuid.UUID]struct{})
	}
	r.gone[id] = struct{}{}
	if r.order = append(r.order, id); len(r.order) > most {
		delete(r.gone, r.order[0])
		r.order = r.order[1:]
	}
}

// gaveWay reports whether the server has ended the run to make room for
// another.
func (r *runs) gaveWay(id uuid.UUID) bool {
	_, ok := r.gone[id]
	return ok
}

// unfinished returns how many runs are at the head.
func (r *runs) unfinished() int { return len(r.head.events) }

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

// publish makes e the run's newest event. ofJob is set if the run has a Job.
func (r *runs) publish(s *runState, e *event, ofJob bool) {
	s.spoke, s.ofJob = e.at, (s.ofJob || ofJob) && !e.final
	switch {
	case s.silent != nil && (e.final || s.ofJob):
		r.silent.Remove(s.silent)
		s.silent = nil
	case e.final || s.ofJob:
	case s.silent != nil:
		r.silent.MoveToBack(s.silent)
	default:
		s.silent = r.silent.PushBack(s)
	}
	if e.final {
		s.common = protocol.RunDefs{}
		r.head.clear(&s.head)
		return
	}
	r.head.set(&s.head, e)
}

// silentFor returns the run without a Job that has been silent longest, if it
// has been silent for long or longer; nil otherwise.
func (r *runs) silentFor(long, now time.Duration) *runState {
	if el := r.silent.Front(); el != nil {
		if s := el.Value.(*runState); now-s.spoke >= long {
			return s
		}
	}
	return nil
}

// forget removes a run that is of no interest at either edge.
func (r *runs) forget(id uuid.UUID, s *runState) {
	if s.tail.e == nil && s.head.e == nil {
		delete(r.byID, id)
	}
}

// evict records that e is about to leave the cache.
func (r *runs) evict(e event) {
	id := e.def.RunID()
	s := r.get(id)
	if s.head.e != nil && s.head.e.seq == e.seq { // silent for as long as the cache reaches back
		e.data = bytes.Clone(e.data)
		kept := e
		r.head.set(&s.head, &kept)
	}
	if e.final {
		r.tail.clear(&s.tail)
	} else {
		kept := e
		r.tail.set(&s.tail, &kept)
	}
	r.forget(id, s)
}

// detach makes the run's tail a copy where it is the event.
func (r *runs) detach(def *protocol.Definition, seq uint64) {
	if s := r.byID[def.RunID()]; s != nil && s.tail.e != nil && s.tail.e.seq == seq {
		e := *s.tail.e
		e.data = bytes.Clone(e.data)
		r.tail.set(&s.tail, &e)
	}
}
