package momserver

import (
	"slices"
	"sync"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire/protocol"
)

// interests finds the caught-up subscribers that take an event, without visiting
// the others.
type interests struct {
	// linking is held during a step of linking or unlinking a subscriber, so that the
	// sender competes for mu with only one of the goroutines that link and unlink.
	linking sync.Mutex

	mu       sync.Mutex // guards jobLists
	jobLists jobLists   // of the subscribers that take events of some jobs only; its seed does not change

	classes []class // of the other subscribers; the sender's goroutine owns it
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

// membership is a subscriber's part of interests: its class, or else its entries
// in the lists of jobs.
type membership struct {
	class *classMembers
	index int // in class.caughtUp

	jobEntries // guarded by interests.mu
}

func newInterests() interests { return interests{jobLists: newJobLists()} }

// A filter may name many jobs. So mu is released, and the caller may rest, after
// each linkStep of them.
const linkStep = 128

// link puts a subscriber into the lists of its jobs. It is not called by the sender
// but by the goroutine of the subscriber's connection, before the subscriber joins
// the sender; unlink when the connection has ended. Both call rest between their
// steps.
func (in *interests) link(sub *subscriber, rest func()) {
	set := sub.Jobs()
	if set == nil {
		return
	}
	lists := &in.jobLists
	keys := lists.keys(set)
	in.step(func() { lists.join(sub, len(keys)) })
	in.steps(len(keys), rest, func(i int) { lists.insert(sub, i, keys[i]) })
}

// unlink takes a subscriber out of the lists of its jobs. The sender may not know yet
// that the connection has ended.
func (in *interests) unlink(sub *subscriber, rest func()) {
	if sub.Jobs() == nil {
		return
	}
	in.step(func() { sub.leaving = true })
	in.steps(len(sub.entries), rest, func(i int) { in.jobLists.delete(sub, i) })
	in.step(func() { in.jobLists.leave(sub) })
}

// steps calls do with 0 to n-1, linkStep times in a step, and rest between the
// steps.
func (in *interests) steps(n int, rest func(), do func(i int)) {
	for from := 0; from < n; from += linkStep {
		if from > 0 {
			rest()
		}
		in.step(func() {
			for i := from; i < min(from+linkStep, n); i++ {
				do(i)
			}
		})
	}
}

// step calls do with mu held.
func (in *interests) step(do func()) {
	in.linking.Lock()
	defer in.linking.Unlock()
	in.mu.Lock()
	defer in.mu.Unlock()
	do()
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
		in.mu.Lock()
		in.jobLists.unpark(sub) // no more entries than events have parked
		in.mu.Unlock()
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
	if in.jobLists.empty() {
		return
	}
	visit := func(sub *subscriber) bool {
		if sub.caughtUp && sub.Takes(def, is) {
			activate(sub)
			return true
		}
		return sub.caughtUp
	}
	in.jobLists.each(in.jobLists.idKey(def.JobID()), is, visit)
	in.jobLists.each(in.jobLists.nameKey(def.Name()), is, visit)
}
