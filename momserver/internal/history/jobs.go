package history

import (
	"bytes"
	"container/list"
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// jobs holds the latest event of each job, up to a bound. Over it, the job that
// has been silent longest is dropped. The history guards it.
type jobs struct {
	bound  int
	states stateCounts
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
		j.states.add(el.Value.(*ref).e, -1)
		j.order.MoveToBack(el)
	}
	j.edge.set(el.Value.(*ref), e)
	j.states.add(e, 1)
	if j.order.Len() > j.bound {
		oldest := j.order.Front()
		r := j.order.Remove(oldest).(*ref)
		j.states.add(r.e, -1)
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

// stateCounts counts jobs by the state of their latest event.
type stateCounts struct {
	states     [1 << 8]int // by wire.State, whatever its number
	withErrors int         // jobs that completed with errors
}

// add adds n to the counts of a job with the latest event e.
func (c *stateCounts) add(e *event, n int) {
	c.states[e.state] += n
	if e.withErrors {
		c.withErrors += n
	}
}

// byState returns the counts of the nine states.
func (c *stateCounts) byState() map[wire.State]int {
	counts := make(map[wire.State]int)
	for _, s := range wire.States() {
		counts[s] = c.states[s]
	}
	return counts
}
