package momserver

import (
	"hash/maphash"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
)

// jobLists holds, for each job that a filter names, the subscribers that take its
// events, in one list for each set of classes of events. Filters may name half a
// million jobs, and their subscribers may all come and go at the same moment. So
// lists and entries are found by number: the garbage collector does not have to
// follow pointers to them, and few allocations hold them all.
//
// The lists of a job are found by a key, the hash of its ID or of its name. Jobs
// with equal keys share their lists, so that the subscribers in a list need not
// take an event of the job.
type jobLists struct {
	seed   maphash.Seed     // secret, so that no client can choose names with equal keys
	firsts map[uint64]int32 // by key, the number of the first list
	lists  [][]jobList      // in pages, so that their growth copies little
	unused int32            // the number of the first unused list
	subs   []*subscriber    // by number; the first is always nil
	gone   []int32          // unused numbers in subs
}

// jobList is a list of subscribers that name a job and take the same classes of
// events. The entry of a subscriber that is not caught up is parked outside of the
// list when the sender meets it, so that the sender does not meet it again at every
// event.
type jobList struct {
	key     uint64
	first   entryNumber
	next    int32 // the number of the next list with this key, or of the next unused list
	members int32 // entries in the list, and parked ones
	takes   history.Classes
}

const listsPerPage = 256

// entryNumber is the number of a subscriber in jobLists.subs, and of one of its
// entries. The zero entryNumber stands for no entry. List numbers begin at 1, too.
type entryNumber struct{ sub, entry int32 }

// jobEntry is the entry of a subscriber in a list.
type jobEntry struct {
	prev, next entryNumber
	list       int32
	parked     bool
}

// jobEntries is a subscriber's part of jobLists.
type jobEntries struct {
	number  int32 // in jobLists.subs
	entries []jobEntry
	parked  []int32 // numbers of the entries that are parked
	leaving bool    // its entries are being deleted, and are not put back
}

func newJobLists() jobLists {
	l := jobLists{seed: maphash.MakeSeed()}
	l.clear()
	return l
}

// clear forgets all lists and subscribers.
func (l *jobLists) clear() {
	l.firsts, l.lists, l.unused = make(map[uint64]int32), nil, 0
	l.subs, l.gone = make([]*subscriber, 1), nil
}

func (l *jobLists) empty() bool { return len(l.firsts) == 0 }

// keys returns the keys of a set of jobs.
func (l *jobLists) keys(set *history.JobSet) []uint64 {
	keys := make([]uint64, 0, len(set.IDs)+len(set.Names))
	for _, id := range set.IDs {
		keys = append(keys, l.idKey(id))
	}
	for _, name := range set.Names {
		keys = append(keys, l.nameKey(name))
	}
	return keys
}

func (l *jobLists) idKey(id uuid.UUID) uint64     { return maphash.Bytes(l.seed, id[:]) }
func (l *jobLists) nameKey(name string) uint64    { return maphash.String(l.seed, name) }
func (l *jobLists) entry(n entryNumber) *jobEntry { return &l.subs[n.sub].entries[n.entry] }

// list returns the list with a number, which is not 0.
func (l *jobLists) list(n int32) *jobList { return &l.lists[n/listsPerPage][n%listsPerPage] }

// join prepares a subscriber for a number of entries.
func (l *jobLists) join(sub *subscriber, entries int) {
	sub.entries = make([]jobEntry, entries)
	if last := len(l.gone) - 1; last >= 0 {
		sub.number, l.gone = l.gone[last], l.gone[:last]
		l.subs[sub.number] = sub
		return
	}
	sub.number = int32(len(l.subs))
	l.subs = append(l.subs, sub)
}

// leave forgets a subscriber whose entries have all been deleted. After the last
// subscriber it frees the memory of the lists, because a map does not shrink by
// itself.
func (l *jobLists) leave(sub *subscriber) {
	l.subs[sub.number] = nil
	l.gone = append(l.gone, sub.number)
	if l.empty() && len(l.gone) == len(l.subs)-1 {
		l.clear()
	}
}

// insert puts an entry of the subscriber into a list of the key.
func (l *jobLists) insert(sub *subscriber, entry int, key uint64) {
	n := l.find(key, sub.Classes)
	if n == 0 {
		n = l.newList()
		*l.list(n) = jobList{key: key, takes: sub.Classes, next: l.firsts[key]}
		l.firsts[key] = n
	}
	sub.entries[entry].list = n
	l.list(n).members++
	l.push(entryNumber{sub.number, int32(entry)})
}

// find returns the number of the list of the key for the subscribers that take the
// classes; 0 for none.
func (l *jobLists) find(key uint64, takes history.Classes) int32 {
	n := l.firsts[key]
	for n != 0 && l.list(n).takes != takes {
		n = l.list(n).next
	}
	return n
}

// newList returns the number of an unused list.
func (l *jobLists) newList() int32 {
	if l.unused == 0 {
		page := make([]jobList, listsPerPage)
		from := int32(len(l.lists) * listsPerPage)
		l.lists = append(l.lists, page)
		for i := from + listsPerPage - 1; i >= max(from, 1); i-- {
			l.list(i).next, l.unused = l.unused, i
		}
	}
	n := l.unused
	l.unused = l.list(n).next
	return n
}

// delete takes an entry of the subscriber out of its list, and frees the list if
// that was the last one.
func (l *jobLists) delete(sub *subscriber, entry int) {
	e := &sub.entries[entry]
	if !e.parked {
		l.takeOut(e)
	}
	list := l.list(e.list)
	if list.members--; list.members > 0 {
		return
	}
	switch first := l.firsts[list.key]; {
	case first != e.list:
		before := l.list(first)
		for before.next != e.list {
			before = l.list(before.next)
		}
		before.next = list.next
	case list.next != 0:
		l.firsts[list.key] = list.next
	default:
		delete(l.firsts, list.key)
	}
	list.next, l.unused = l.unused, e.list
}

// push puts an entry at the front of its list.
func (l *jobLists) push(n entryNumber) {
	e := l.entry(n)
	list := l.list(e.list)
	e.prev, e.next = entryNumber{}, list.first
	if list.first != (entryNumber{}) {
		l.entry(list.first).prev = n
	}
	list.first = n
}

// takeOut takes an entry out of its list.
func (l *jobLists) takeOut(e *jobEntry) {
	if e.next != (entryNumber{}) {
		l.entry(e.next).prev = e.prev
	}
	if e.prev != (entryNumber{}) {
		l.entry(e.prev).next = e.next
	} else {
		l.list(e.list).first = e.next
	}
}

// each calls visit with each subscriber in the lists of a key that take the class.
// It parks the entries for which visit returns false.
func (l *jobLists) each(key uint64, is history.Class, visit func(*subscriber) bool) {
	for n := l.firsts[key]; n != 0; n = l.list(n).next {
		list := l.list(n)
		if !list.takes.Has(is) {
			continue
		}
		for at := list.first; at != (entryNumber{}); {
			sub, e := l.subs[at.sub], l.entry(at)
			if !visit(sub) {
				l.takeOut(e)
				e.parked = true
				sub.parked = append(sub.parked, at.entry)
			}
			at = e.next
		}
	}
}

// unpark puts the parked entries of a subscriber back into their lists.
func (l *jobLists) unpark(sub *subscriber) {
	if sub.leaving {
		return
	}
	for _, i := range sub.parked {
		sub.entries[i].parked = false
		l.push(entryNumber{sub.number, i})
	}
	sub.parked = nil
}
