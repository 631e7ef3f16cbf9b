package momserver

import (
	"bytes"
	"container/list"
	"slices"

	"github.com/google/uuid"
)

// runs holds the latest event of each of some runs or jobs, in the order of
// these events. Its zero value is empty. It is not safe for concurrent use.
type runs struct {
	order list.List // of entry, oldest first
	byID  map[uuid.UUID]*list.Element
}

func (r *runs) len() int { return r.order.Len() }

func (r *runs) has(id uuid.UUID) bool { return r.byID[id] != nil }

// put makes e the latest event of the unfinished run id, or removes the run
// where e ends it.
func (r *runs) put(id uuid.UUID, e entry) {
	if !e.final {
		r.latest(id, e)
	} else if old := r.byID[id]; old != nil {
		r.order.Remove(old)
		delete(r.byID, id)
	}
}

// latest makes e the latest event of id.
func (r *runs) latest(id uuid.UUID, e entry) {
	if el := r.byID[id]; el != nil {
		el.Value = e
		r.order.MoveToBack(el)
		return
	}
	if r.byID == nil {
		r.byID = make(map[uuid.UUID]*list.Element)
	}
	r.byID[id] = r.order.PushBack(e)
}

// dropOldest removes the job that has been silent longest.
func (r *runs) dropOldest() {
	el := r.order.Front()
	r.order.Remove(el)
	delete(r.byID, el.Value.(entry).job)
}

// list returns the events, oldest first.
func (r *runs) list() []entry {
	all := make([]entry, 0, r.order.Len())
	for el := r.order.Front(); el != nil; el = el.Next() {
		all = append(all, el.Value.(entry))
	}
	return all
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

func sortByJob(all []entry) {
	slices.SortFunc(all, func(a, b entry) int { return compareIDs(a.job, b.job) })
}
