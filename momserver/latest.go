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
	order list.List // of *entry, the one silent longest first
	byJob map[uuid.UUID]*list.Element
}

// publish makes e the latest event of its job.
func (l *latest) publish(e entry) {
	id := e.def.JobID()
	l.tally.add(&e, 1)
	if el := l.byJob[id]; el != nil {
		l.tally.add(el.Value.(*entry), -1)
		*el.Value.(*entry) = e
		l.order.MoveToBack(el)
		return
	}
	if l.byJob == nil {
		l.byJob = make(map[uuid.UUID]*list.Element)
	}
	first := e // so that e itself stays off the heap
	l.byJob[id] = l.order.PushBack(&first)
	if l.order.Len() > l.bound {
		oldest := l.order.Front()
		l.tally.add(oldest.Value.(*entry), -1)
		l.order.Remove(oldest)
		delete(l.byJob, oldest.Value.(*entry).def.JobID())
	}
}

// evict takes note that e is about to leave the cache.
func (l *latest) evict(e entry) {
	if el := l.byJob[e.def.JobID()]; el != nil && el.Value.(*entry).seq == e.seq {
		e.data = bytes.Clone(e.data)
		*el.Value.(*entry) = e
	}
}

// all returns the events.
func (l *latest) all() []entry {
	all := make([]entry, 0, l.order.Len())
	for el := l.order.Front(); el != nil; el = el.Next() {
		all = append(all, *el.Value.(*entry))
	}
	return all
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

func sortByJob(all []entry) {
	slices.SortFunc(all, func(a, b entry) int { return compareIDs(a.def.JobID(), b.def.JobID()) })
}
