package history

import (
	"bytes"
	"container/list"
	"slices"

	"github.com/google/uuid"
)

// jobs holds the latest event and the figures of each job, up to a bound. Over it,
// the job that has been silent longest is dropped. The history guards it.
type jobs struct {
	bound  int
	counts classCounts
	order  list.List // of *jobState; the job that has been silent longest first
	byID   map[uuid.UUID]*list.Element

	// sorted holds the IDs in ascending order, so that a page costs as much as it
	// has jobs. IDs with the same first byte stand in one slice, so that adding
	// one moves few.
	sorted [256][]uuid.UUID

	taken uint64 // number of calls of after, whose callers read the events without the lock
}

// jobState is what jobs holds of one job.
type jobState struct {
	last    *event
	taken   uint64 // jobs.taken when last was set
	figures JobFigures
}

// setLast makes a copy of e the latest event of a job. The copy uses the memory of the
// event that it replaces, unless a caller of after may read that event.
func (j *jobs) setLast(s *jobState, e *event) {
	if s.last == nil || s.taken != j.taken {
		s.last, s.taken = new(event), j.taken
	}
	*s.last = *e
}

// publish makes e the latest event of its job, and returns the state of the job.
func (j *jobs) publish(e *event) *jobState {
	id := e.def.JobID()
	var s *jobState
	if el := j.byID[id]; el != nil {
		s = el.Value.(*jobState)
		j.counts.add(s.last, -1)
		j.order.MoveToBack(el)
	} else {
		if j.byID == nil {
			j.byID = make(map[uuid.UUID]*list.Element)
		}
		s = &jobState{figures: JobFigures{First: e.at}}
		j.byID[id] = j.order.PushBack(s)
		some := &j.sorted[id[0]]
		at, _ := slices.BinarySearchFunc(*some, id, compareIDs)
		*some = slices.Insert(*some, at, id)
	}
	j.setLast(s, e)
	j.counts.add(e, 1)
	if j.order.Len() > j.bound {
		j.drop(j.order.Front())
	}
	return s
}

// drop removes a job.
func (j *jobs) drop(el *list.Element) {
	e := j.order.Remove(el).(*jobState).last
	j.counts.add(e, -1)
	id := e.def.JobID()
	delete(j.byID, id)
	some := &j.sorted[id[0]]
	if at, ok := slices.BinarySearchFunc(*some, id, compareIDs); ok {
		*some = slices.Delete(*some, at, at+1)
	}
}

// evict copies e if it is the latest event of its job, because it is about to
// leave the cache.
func (j *jobs) evict(e event) {
	if el := j.byID[e.def.JobID()]; el != nil && el.Value.(*jobState).last.seq == e.seq {
		e.data = bytes.Clone(e.data)
		j.setLast(el.Value.(*jobState), &e)
	}
}

// after returns the latest events of the first n jobs after the given ID, in the
// order of the IDs.
func (j *jobs) after(id uuid.UUID, n int) []*event {
	j.taken++
	some := make([]*event, 0, min(n, j.order.Len()))
	at, found := slices.BinarySearchFunc(j.sorted[id[0]], id, compareIDs)
	if found {
		at++
	}
	for b := int(id[0]); b < len(j.sorted); b++ {
		for _, id := range j.sorted[b][at:] {
			if len(some) == n {
				return some
			}
			some = append(some, j.byID[id].Value.(*jobState).last)
		}
		at = 0
	}
	return some
}

// classCounts counts jobs by the state and by the outcome of their latest event.
type classCounts struct {
	states   [1 << 8]int // by wire.State, whatever its number
	outcomes [1 << 8]int // by wire.Outcome, in the same way; at 0, the jobs whose latest run has not ended
}

// add adds n to the counts of a job with the latest event e.
func (c *classCounts) add(e *event, n int) {
	c.states[e.State] += n
	c.outcomes[e.Outcome] += n
}

// counted returns the counts of the values.
func counted[T ~uint8, N int | uint64](values []T, counts *[1 << 8]N) map[T]N {
	m := make(map[T]N)
	for _, v := range values {
		m[v] = counts[v]
	}
	return m
}
