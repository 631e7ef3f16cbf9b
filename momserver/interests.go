package momserver

import (
	"slices"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire/protocol"
)

// interests finds the caught-up subscribers that take an event, without
// visiting the others. The sender's goroutine owns it.
type interests struct {
	jobs    map[uuid.UUID]*jobEntry // the first entry of each list, by the ID of a job
	names   map[string]*jobEntry    // the same, by the name of a job
	classes []*class                // of the subscribers that are in no list
}

// jobEntry is one subscriber in the list of those that take events of one job.
type jobEntry struct {
	sub        *subscriber
	prev, next *jobEntry
}

// class holds the subscribers that take events of every job, and the same
// classes of them.
type class struct {
	takes    history.Classes
	members  int           // caught up or not
	caughtUp []*subscriber // each at its membership.index
}

// membership is a subscriber's part of interests: its class, or else its
// entries in the lists of jobs.
type membership struct {
	class *class
	index int // in class.caughtUp
	jobs  []jobEntry
	names []jobEntry
}

func newInterests() interests {
	return interests{jobs: make(map[uuid.UUID]*jobEntry), names: make(map[string]*jobEntry)}
}

// add adds a subscriber that is not caught up.
func (in *interests) add(sub *subscriber) {
	if set := sub.Jobs(); set != nil {
		sub.membership.jobs, sub.membership.names = link(in.jobs, set.IDs, sub), link(in.names, set.Names, sub)
		return
	}
	i := slices.IndexFunc(in.classes, func(c *class) bool { return c.takes == sub.Classes })
	if i < 0 {
		i = len(in.classes)
		in.classes = append(in.classes, &class{takes: sub.Classes})
	}
	sub.class = in.classes[i]
	sub.class.members++
}

// remove takes a subscriber out of its lists or its class.
func (in *interests) remove(sub *subscriber) {
	in.setCaughtUp(sub, false)
	if set := sub.Jobs(); set != nil {
		unlink(in.jobs, set.IDs, sub.membership.jobs)
		unlink(in.names, set.Names, sub.membership.names)
		return
	}
	if sub.class.members--; sub.class.members == 0 {
		in.classes = slices.DeleteFunc(in.classes, func(c *class) bool { return c == sub.class })
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

// eachTaker calls activate with each caught-up subscriber that takes an event.
// activate may change whether its subscriber is caught up.
func (in *interests) eachTaker(def *protocol.Definition, is history.Class, activate func(*subscriber)) {
	for _, c := range in.classes {
		if c.takes.Has(is) {
			for i := len(c.caughtUp) - 1; i >= 0; i-- { // backwards, because activate may remove the one at i
				activate(c.caughtUp[i])
			}
		}
	}
	for _, first := range [...]*jobEntry{in.jobs[def.JobID()], in.names[def.Name()]} {
		for i := first; i != nil; i = i.next {
			if i.sub.caughtUp && i.sub.Takes(def, is) {
				activate(i.sub)
			}
		}
	}
}

// link puts sub into the list of each key, and returns its entries.
func link[K comparable](lists map[K]*jobEntry, keys []K, sub *subscriber) []jobEntry {
	entries := make([]jobEntry, len(keys))
	for i, key := range keys {
		first := lists[key]
		entries[i] = jobEntry{sub: sub, next: first}
		if first != nil {
			first.prev = &entries[i]
		}
		lists[key] = &entries[i]
	}
	return entries
}

// unlink takes the entries out of the lists of their keys.
func unlink[K comparable](lists map[K]*jobEntry, keys []K, entries []jobEntry) {
	for i, key := range keys {
		p := &entries[i]
		if p.next != nil {
			p.next.prev = p.prev
		}
		switch {
		case p.prev != nil:
			p.prev.next = p.next
		case p.next != nil:
			lists[key] = p.next
		default:
			delete(lists, key)
		}
	}
}
