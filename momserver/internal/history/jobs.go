package history

import (
	"bytes"
	"container/list"
	"slices"

	"github.com/google/uuid"
)

// jobs holds the latest event of each job, up to a bound. Over it, the job that
// has been silent longest is dropped. The history guards it.
type jobs struct {
	bound  int
	counts classCounts
	order  list.List // of *ref, the job that has been silent longest first
	byID   map[uuid.UUID]*list.Element
	edge   edge
}

// publish makes e the latest event of its job.
func (j *jobs) publish(e *event) {
	id := e.def.JobID()
	el := j.byID[id]
	if el == nil {
		if j.byID == nil {
			j.byID = make(map[uuid.UUID]*list.Element)
		}
		el = j.order.PushBack(new(ref))
		j.byID[id] = el
	} else {
		j.counts.add(el.Value.(*ref).e, -1)
		j.order.MoveToBack(el)
	}
	j.edge.set(el.Value.(*ref), e)
	j.counts.add(e, 1)
	if j.order.Len() > j.bound {
		oldest := j.order.Front()
		r := j.order.Remove(oldest).(*ref)
		j.counts.add(r.e, -1)
		delete(j.byID, r.e.def.JobID())
		j.edge.clear(r)
	}
}

// evict copies e if it is the latest event of its job, because it is about to
// leave the cache.
func (j *jobs) evict(e event) {
	if el := j.byID[e.def.JobID()]; el != nil && el.Value.(*ref).e.seq == e.seq {
		kept := e // allocated only here, because few of the events that leave are kept
		kept.data = bytes.Clone(e.data)
		j.edge.set(el.Value.(*ref), &kept)
	}
}

// latest returns the events in no order; see byJob.
func (j *jobs) latest() []*event { return j.edge.snapshot() }

// byJob sorts events by the IDs of their jobs. It needs no lock.
func byJob(events []*event) {
	slices.SortFunc(events, func(a, b *event) int { return compareIDs(a.def.JobID(), b.def.JobID()) })
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
