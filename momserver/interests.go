package momserver

import (
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// interests finds the idle subscribers that take an event, so that nobody has
// to visit the others. It belongs to the sender.
type interests struct {
	jobs    map[uuid.UUID]*interest // the first of those that take events of a job
	names   map[string]*interest    // the same, by the job's name
	classes []*class
}

// interest is one subscriber in the list of those that take events of one job.
type interest struct {
	sub        *subscriber
	prev, next *interest
}

// class holds the subscribers that take events of every job, of certain states
// and severities.
type class struct {
	states   uint16
	severity wire.Severity
	members  int
	idle     []*subscriber // each knows its index
}

// listed is a subscriber's part of interests: its class, or its places in the
// lists of jobs and names.
type listed struct {
	class *class
	index int // in class.idle
	jobs  []interest
	names []interest
}

func newInterests() interests {
	return interests{jobs: make(map[uuid.UUID]*interest), names: make(map[string]*interest)}
}

// add adds a subscriber, which is not idle.
func (in *interests) add(sub *subscriber) {
	if set := sub.Jobs(); set != nil {
		sub.listed.jobs, sub.listed.names = link(in.jobs, set.IDs, sub), link(in.names, set.Names, sub)
		return
	}
	i := slices.IndexFunc(in.classes, func(c *class) bool { return c.states == sub.States && c.severity == sub.Severity })
	if i < 0 {
		i = len(in.classes)
		in.classes = append(in.classes, &class{states: sub.States, severity: sub.Severity})
	}
	sub.class = in.classes[i]
	sub.class.members++
}

// remove removes a subscriber.
func (in *interests) remove(sub *subscriber) {
	in.setIdle(sub, false)
	if set := sub.Jobs(); set != nil {
		unlink(in.jobs, set.IDs, sub.listed.jobs)
		unlink(in.names, set.Names, sub.listed.names)
		return
	}
	if sub.class.members--; sub.class.members == 0 {
		in.classes = slices.DeleteFunc(in.classes, func(c *class) bool { return c == sub.class })
	}
}

// setIdle records whether the subscriber is idle: it has all events that the
// sender has looked at.
func (in *interests) setIdle(sub *subscriber, idle bool) {
	if sub.idle == idle {
		return
	}
	sub.idle = idle
	c := sub.class
	switch {
	case c == nil:
	case idle:
		sub.index = len(c.idle)
		c.idle = append(c.idle, sub)
	default:
		last := len(c.idle) - 1
		c.idle[sub.index] = c.idle[last]
		c.idle[sub.index].index = sub.index
		c.idle[last] = nil
		c.idle = c.idle[:last]
	}
}

// find calls wake for the idle subscribers that take an event. wake may change
// whether its subscriber is idle.
func (in *interests) find(def *protocol.Definition, state wire.State, severity wire.Severity, wake func(*subscriber)) {
	for _, c := range in.classes {
		if severity >= c.severity && (c.states == 0 || c.states&(1<<state) != 0) {
			for i := len(c.idle) - 1; i >= 0; i-- { // backwards: wake may remove the last one
				wake(c.idle[i])
			}
		}
	}
	for _, first := range [...]*interest{in.jobs[def.JobID()], in.names[def.Name()]} {
		for i := first; i != nil; i = i.next {
			if i.sub.idle && i.sub.Takes(def, state, severity) {
				wake(i.sub)
			}
		}
	}
}

// link puts sub into the list of each key.
func link[K comparable](lists map[K]*interest, keys []K, sub *subscriber) []interest {
	places := make([]interest, len(keys))
	for i, key := range keys {
		first := lists[key]
		places[i] = interest{sub: sub, next: first}
		if first != nil {
			first.prev = &places[i]
		}
		lists[key] = &places[i]
	}
	return places
}

// unlink takes the places out of the lists of their keys.
func unlink[K comparable](lists map[K]*interest, keys []K, places []interest) {
	for i, key := range keys {
		p := &places[i]
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
