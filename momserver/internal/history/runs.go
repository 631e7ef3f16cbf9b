package history

import (
	"bytes"
	"container/list"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire/protocol"
)

// runState is where one run stands at the two edges of the cache.
type runState struct {
	common protocol.RunDefs
	head   ref // its newest event; none if that ended it
	tail   ref // the newest one of those that have left the cache; none if that ended it

	job    *jobState     // the job that counts the run as unfinished; nil for none
	began  time.Duration // when its first event was published
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

	ended [1 << 8]uint64 // runs that have ended, by wire.Outcome

	// silent holds the *runState of each run at the head that has no Job, the
	// longest silent run first.
	silent list.List

	// gone holds the runs that gave way, so that none of them begins again: at
	// most as many as may be unfinished, the oldest forgotten first.
	gone  map[uuid.UUID]struct{}
	order []uuid.UUID // the keys of gone, oldest first
}

// giveWay records that the server, and not its owner, has ended the run. It
// keeps the latest most runs that gave way.
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

// unfinished returns how many runs are unfinished at the head.
func (r *runs) unfinished() int { return r.head.n }

// get returns the state of a run, and makes it if there is none.
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
	s.spoke, s.ofJob = e.at, (s.ofJob || ofJob) && !e.final()
	switch {
	case s.silent != nil && (e.final() || s.ofJob):
		r.silent.Remove(s.silent)
		s.silent = nil
	case e.final() || s.ofJob:
	case s.silent != nil:
		r.silent.MoveToBack(s.silent)
	default:
		s.silent = r.silent.PushBack(s)
	}
	if e.final() {
		r.ended[e.Outcome]++
		s.common = protocol.RunDefs{}
		r.head.clear(&s.head)
		return
	}
	r.head.set(&s.head, *e)
}

// silentFor returns the run without a Job that has been silent longest, if it
// has been silent for long or longer; otherwise nil.
func (r *runs) silentFor(long, now time.Duration) *runState {
	if el := r.silent.Front(); el != nil {
		if s := el.Value.(*runState); now-s.spoke >= long {
			return s
		}
	}
	return nil
}

// forget removes a run that is unfinished at neither edge.
func (r *runs) forget(id uuid.UUID, s *runState) {
	if s.tail.e == nil && s.head.e == nil {
		delete(r.byID, id)
	}
}

// evict moves e to the run's tail, because it is about to leave the cache.
func (r *runs) evict(e event) {
	id := e.def.RunID()
	s := r.get(id)
	if s.head.e != nil && s.head.e.seq == e.seq { // the run has been silent since
		e.data = bytes.Clone(e.data)
		r.head.set(&s.head, e)
	}
	if e.final() {
		r.tail.clear(&s.tail)
	} else {
		r.tail.set(&s.tail, e)
	}
	r.forget(id, s)
}

// detach copies the bytes of the event with this Seq if it is the run's tail,
// so that they no longer keep a segment in memory.
func (r *runs) detach(def *protocol.Definition, seq uint64) {
	if s := r.byID[def.RunID()]; s != nil && s.tail.e != nil && s.tail.e.seq == seq {
		e := *s.tail.e
		e.data = bytes.Clone(e.data)
		r.tail.set(&s.tail, e)
	}
}
