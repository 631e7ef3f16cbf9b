package momserver

import (
	"bytes"
	"container/list"
	"slices"

	"github.com/google/uuid"
)

// latest holds the latest event of each job, up to a bound; the job that has
// been silent longest goes first. The history guards it.
type latest struct {
	bound int
	tally tally
	order list.List // of *slot in end, the one silent longest first
	byJob map[uuid.UUID]*list.Element
	end   end
}

// publish makes e the latest event of its job.
func (l *latest) publish(e *entry) {
	id := e.def.JobID()
	el := l.byJob[id]
	if el == nil {
		if l.byJob == nil {
			l.byJob = make(map[uuid.UUID]*list.Element)
		}
		el = l.order.PushBack(new(slot))
		l.byJob[id] = el
	} else {
		l.tally.add(el.Value.(*slot).e, -1)
		l.order.MoveToBack(el)
	}
	l.end.set(el.Value.(*slot), e)
	l.tally.add(e, 1)
	if l.order.Len() > l.bound {
		oldest := l.order.Front()
		s := l.order.Remove(oldest).(*slot)
		l.tally.add(s.e, -1)
		delete(l.byJob, s.e.def.JobID())
		l.end.clear(s)
	}
}

// evict takes note that e is about to leave the cache.
func (l *latest) evict(e entry) {
	if el := l.byJob[e.def.JobID()]; el != nil && el.Value.(*slot).e.seq == e.seq {
		kept := e // only here: each event comes by, and few are kept
		kept.data = bytes.Clone(e.data)
		l.end.set(el.Value.(*slot), &kept)
	}
}

// all returns the events, in no order.
func (l *latest) all() []*entry { return l.end.snapshot() }

func sortByJob(all []*entry) {
	slices.SortFunc(all, func(a, b *entry) int { return compareIDs(a.def.JobID(), b.def.JobID()) })
}
