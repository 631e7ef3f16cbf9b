package momserver

import (
	"slices"
	"sync"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire/protocol"
)

// interests finds the caught-up subscribers that take an event, without visiting
// the others.
type interests struct {
	// linking is held while a subscriber is linked or unlinked, so that the sender
	// competes for mu with only one of the goroutines that link and unlink.
	linking sync.Mutex

	mu    sync.Mutex               // guards the two maps and their lists; never held for more than linkStep entries while subscribers come and go
	jobs  map[uuid.UUID]*jobTakers // by the ID of a job
	names map[string]*jobTakers    // by the name of a job

	classes []class // of the subscribers that are in no list; the sender's goroutine owns it
}

// jobTakers are the subscribers that take events of one job, in a list for each
// set of classes of events.
type jobTakers struct{ lists []jobList }

// jobList is a list of subscribers that take the same classes of events. The entry
// of a subscriber that is not caught up is parked outside of the list when
// eachTaker meets it, so that eachTaker does not meet it again at every event.
type jobList struct {
	takes   history.Classes
	first   *jobEntry
	members int // entries in the list, and parked ones
}

// jobEntry is one subscriber in the list of those that take events of one job.
type jobEntry struct {
	sub        *subscriber
	prev, next *jobEntry
	parked     bool
}

// class holds the subscribers that take events of every job, and the same
// classes of them.
type class struct {
	takes history.Classes
	*classMembers
}

type classMembers struct {
	members  int           // caught up or not
	caughtUp []*subscriber // each at its membership.index
}

// membership is a subscriber's part of interests: its class, or else its
// entries in the lists of jobs.
type membership struct {
	class *classMembers
	index int // in class.caughtUp
	jobs  []jobEntry
	names []jobEntry

	parked   []parkedEntry // guarded by interests.mu, as is unlinked
	unlinked bool          // unlink was called
}

// parkedEntry is an entry that is parked, with the takers to whose list it belongs.
type parkedEntry struct {
	entry *jobEntry
	of    *jobTakers
}

func newInterests() interests {
	return interests{jobs: make(map[uuid.UUID]*jobTakers), names: make(map[string]*jobTakers)}
}

// linkStep is how many jobs are linked or unlinked before mu is released, so that
// the sender does not wait for longer.
const linkStep = 64

// link puts a subscriber into the lists of its jobs. A filter may name many jobs,
// so this is not done by the sender. The goroutine of the subscriber's connection
// calls link before the subscriber joins the sender, and unlink when the connection
// has ended.
func (in *interests) link(sub *subscriber) {
	if set := sub.Jobs(); set != nil {
		in.linking.Lock()
		defer in.linking.Unlock()
		sub.membership.jobs, sub.membership.names = link(&in.mu, &in.jobs, set.IDs, sub), link(&in.mu, &in.names, set.Names, sub)
	}
}

// unlink takes a subscriber, which is no longer caught up, out of the lists of its
// jobs.
func (in *interests) unlink(sub *subscriber) {
	if set := sub.Jobs(); set != nil {
		in.linking.Lock()
		defer in.linking.Unlock()
		in.mu.Lock()
		sub.unlinked = true
		in.mu.Unlock()
		unlink(&in.mu, &in.jobs, set.IDs, sub.membership.jobs)
		unlink(&in.mu, &in.names, set.Names, sub.membership.names)
		in.shrink()
	}
}

// shrink frees the memory of empty maps, which do not shrink by themselves.
func (in *interests) shrink() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.jobs) == 0 {
		in.jobs = make(map[uuid.UUID]*jobTakers)
	}
	if len(in.names) == 0 {
		in.names = make(map[string]*jobTakers)
	}
}

// add adds a subscriber that is not caught up.
func (in *interests) add(sub *subscriber) {
	if sub.Jobs() != nil {
		return
	}
	i := slices.IndexFunc(in.classes, func(c class) bool { return c.takes == sub.Classes })
	if i < 0 {
		i = len(in.classes)
		in.classes = append(in.classes, class{sub.Classes, new(classMembers)})
	}
	sub.class = in.classes[i].classMembers
	sub.class.members++
}

// remove takes a subscriber out of its class.
func (in *interests) remove(sub *subscriber) {
	in.setCaughtUp(sub, false)
	if sub.class == nil {
		return
	}
	if sub.class.members--; sub.class.members == 0 {
		in.classes = slices.DeleteFunc(in.classes, func(c class) bool { return c.classMembers == sub.class })
	}
}

// setCaughtUp records whether the subscriber is caught up.
func (in *interests) setCaughtUp(sub *subscriber, caughtUp bool) {
	if sub.caughtUp == caughtUp {
		return
	}
	sub.caughtUp = caughtUp
	c := sub.class
	switch {
	case c == nil && caughtUp:
		in.unpark(sub)
	case c == nil:
	case caughtUp:
		sub.index = len(c.caughtUp)
		c.caughtUp = append(c.caughtUp, sub)
	default:
		last := len(c.caughtUp) - 1
		c.caughtUp[sub.index] = c.caughtUp[last]
		c.caughtUp[sub.index].index = sub.index
		c.caughtUp[last] = nil
		c.caughtUp = c.caughtUp[:last]
	}
}

// unpark puts the entries of a subscriber back into their lists. Each was parked at
// an event, so they cost no more than the events did.
func (in *interests) unpark(sub *subscriber) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if sub.unlinked {
		return
	}
	for _, p := range sub.parked {
		p.entry.parked = false
		p.of.list(sub.Classes).push(p.entry)
	}
	sub.parked = nil
}

// eachTaker calls activate with each caught-up subscriber that takes an event.
// activate may call setCaughtUp for its subscriber.
func (in *interests) eachTaker(def *protocol.Definition, is history.Class, activate func(*subscriber)) {
	for _, c := range in.classes {
		if c.takes.Has(is) {
			for i := len(c.caughtUp) - 1; i >= 0; i-- { // backwards, because activate may remove the one at i
				activate(c.caughtUp[i])
			}
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, takers := range [...]*jobTakers{in.jobs[def.JobID()], in.names[def.Name()]} {
		for i := range takers.all() {
			list := &takers.lists[i]
			if !list.takes.Has(is) {
				continue
			}
			for e := list.first; e != nil; {
				entry, sub := e, e.sub
				e = e.next
				switch {
				case !sub.caughtUp:
					list.remove(entry)
					entry.parked = true
					sub.parked = append(sub.parked, parkedEntry{entry, takers})
				case sub.Takes(def, is):
					activate(sub)
				}
			}
		}
	}
}

// all returns the lists; none for nil.
func (t *jobTakers) all() []jobList {
	if t == nil {
		return nil
	}
	return t.lists
}

// list returns the list of the subscribers that take the classes; nil for none.
func (t *jobTakers) list(takes history.Classes) *jobList {
	for i := range t.lists {
		if t.lists[i].takes == takes {
			return &t.lists[i]
		}
	}
	return nil
}

func (l *jobList) push(e *jobEntry) {
	e.prev, e.next = nil, l.first
	if l.first != nil {
		l.first.prev = e
	}
	l.first = e
}

func (l *jobList) remove(e *jobEntry) {
	if e.next != nil {
		e.next.prev = e.prev
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
}

// link puts sub into one list of each key, and returns its entries. It holds mu for
// linkStep keys at a time.
func link[K comparable](mu *sync.Mutex, all *map[K]*jobTakers, keys []K, sub *subscriber) []jobEntry {
	entries := make([]jobEntry, len(keys))
	some := entries
	for part := range slices.Chunk(keys, linkStep) {
		mu.Lock()
		lists := *all
		for i, key := range part {
			takers := lists[key]
			if takers == nil {
				takers = new(jobTakers)
				lists[key] = takers
			}
			list := takers.list(sub.Classes)
			if list == nil {
				takers.lists = append(takers.lists, jobList{takes: sub.Classes})
				list = &takers.lists[len(takers.lists)-1]
			}
			some[i].sub = sub
			list.push(&some[i])
			list.members++
		}
		mu.Unlock()
		some = some[len(part):]
	}
	return entries
}

// unlink takes the entries out of the lists of their keys, as link put them in.
func unlink[K comparable](mu *sync.Mutex, all *map[K]*jobTakers, keys []K, entries []jobEntry) {
	for part := range slices.Chunk(keys, linkStep) {
		mu.Lock()
		lists := *all
		for i, key := range part {
			takers := lists[key]
			list := takers.list(entries[i].sub.Classes)
			if !entries[i].parked {
				list.remove(&entries[i])
			}
			switch list.members--; {
			case list.members > 0:
			case len(takers.lists) > 1:
				takers.lists = slices.DeleteFunc(takers.lists, func(l jobList) bool { return l.members == 0 })
			default:
				delete(lists, key)
			}
		}
		mu.Unlock()
		entries = entries[len(part):]
	}
}
