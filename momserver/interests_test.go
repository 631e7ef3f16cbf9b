package momserver

import (
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// TestInterests finds the same subscribers as asking each of them, while they
// come, go, and fall idle.
func TestInterests(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	names := []string{"", "a", "b"}
	cfg := Config{}.withDefaults()
	h := history.New(cfg.history())
	for i := range 12 {
		ev := spoken(uuid.UUID{byte(i)}, wire.Transferring)
		ev.JobID = uuid.UUID{byte(i % 4)}
		ev.Data.Initialize = &wire.InitializeData{Name: names[i%3]}
		if err := h.Publish(&ev, 0, false); err != nil {
			t.Fatal(err)
		}
	}
	var defs []*protocol.Definition
	h.Scan(&history.Position{Next: 1}, func(def *protocol.Definition, _ history.Class) { defs = append(defs, def) })
	in := newInterests()
	var subs []*subscriber
	for range 20_000 {
		switch rnd.IntN(5) {
		case 0:
			var f wire.Filter
			for range rnd.IntN(3) {
				f.Jobs = append(f.Jobs, uuid.UUID{byte(rnd.IntN(4))})
			}
			for range rnd.IntN(2) {
				f.Names = append(f.Names, names[rnd.IntN(len(names))])
			}
			for range rnd.IntN(2) {
				f.States = append(f.States, wire.States()[rnd.IntN(3)])
			}
			if rnd.IntN(4) == 0 {
				f.Outcomes = append(f.Outcomes, wire.Outcomes()[rnd.IntN(2)])
			}
			f.Severity = wire.Severity(rnd.IntN(3))
			grant := Grant{AllJobs: rnd.IntN(2) == 0, Jobs: []uuid.UUID{{1}, {2}}, Names: []string{"b"}}
			sub := &subscriber{Reader: history.NewReader(&f, grant.visible())}
			in.link(sub, func() {})
			in.add(sub)
			subs = append(subs, sub)
		case 1:
			if len(subs) > 20 {
				i := rnd.IntN(len(subs))
				in.remove(subs[i])
				in.unlink(subs[i], func() {})
				subs[i] = subs[len(subs)-1]
				subs = subs[:len(subs)-1]
			}
		case 2:
			if len(subs) > 0 {
				in.setCaughtUp(subs[rnd.IntN(len(subs))], rnd.IntN(3) > 0)
			}
		default:
			def := defs[rnd.IntN(len(defs))]
			is := history.Class{State: wire.States()[rnd.IntN(3)], Severity: wire.Severity(rnd.IntN(3)), Outcome: wire.Outcome(rnd.IntN(3))}
			want := make(map[*subscriber]bool)
			for _, sub := range subs {
				if sub.caughtUp && sub.Takes(def, is) {
					want[sub] = true
				}
			}
			stay := rnd.IntN(2) == 0
			got := make(map[*subscriber]bool)
			in.eachTaker(def, is, func(sub *subscriber) {
				if got[sub] = true; !stay {
					in.setCaughtUp(sub, false)
				}
			})
			if len(got) != len(want) {
				t.Fatalf("found %d subscribers; want %d", len(got), len(want))
			}
			for sub := range got {
				if !want[sub] {
					t.Fatal("found one that does not take the event, or is not idle")
				}
			}
		}
	}
	for _, sub := range subs {
		in.remove(sub)
		in.unlink(sub, func() {})
		for _, c := range in.classes {
			for _, other := range c.caughtUp[len(c.caughtUp):cap(c.caughtUp)] {
				if other != nil {
					t.Fatal("a subscriber that is not idle is kept")
				}
			}
		}
	}
	if l := &in.jobLists; len(l.firsts)+len(l.lists)+len(l.gone)+len(in.classes) > 0 || len(l.subs) != 1 {
		t.Errorf("left: %d keys, %d pages of lists, %d numbers, %d classes", len(l.firsts), len(l.lists), len(l.subs)+len(l.gone), len(in.classes))
	}
}

// TestParked: an event does not cost more for the subscribers that name its job and
// are not caught up, because only the first event after a change visits them.
func TestParked(t *testing.T) {
	cfg := Config{}.withDefaults()
	h := history.New(cfg.history())
	ev := spoken(uuid.UUID{1}, wire.Transferring)
	if err := h.Publish(&ev, 0, false); err != nil {
		t.Fatal(err)
	}
	in := newInterests()
	sub := &subscriber{Reader: history.NewReader(&wire.Filter{Jobs: []uuid.UUID{{1}}, Names: []string{"job"}}, nil)}
	in.link(sub, func() {})
	visible := func() (n int) {
		h.Scan(&history.Position{Next: 1}, func(def *protocol.Definition, is history.Class) {
			in.eachTaker(def, is, func(*subscriber) {})
		})
		for _, first := range in.jobLists.firsts {
			for at := in.jobLists.list(first).first; at != (entryNumber{}); at = in.jobLists.entry(at).next {
				n++
			}
		}
		return n
	}
	for range 3 {
		if n := visible(); n != 0 {
			t.Errorf("%d entries of a subscriber that is not caught up are visited", n)
		}
		in.setCaughtUp(sub, true)
		if n := visible(); n != 2 {
			t.Errorf("%d entries of a subscriber that is caught up are visited; want 2", n)
		}
		in.setCaughtUp(sub, false)
	}
	visible()
	if in.unlink(sub, func() {}); len(in.jobLists.firsts) != 0 {
		t.Error("parked entries are left")
	}
	in.setCaughtUp(sub, true) // the sender does not know yet that the connection has ended
	if len(in.jobLists.firsts) != 0 {
		t.Error("entries come back after unlink")
	}
}

// TestLinkInSteps: linking and unlinking a subscriber of many jobs rests after a
// bounded number of them, and does not keep the sender waiting meanwhile.
func TestLinkInSteps(t *testing.T) {
	in := newInterests()
	var f wire.Filter
	for range 4 * linkStep {
		f.Jobs = append(f.Jobs, uuid.New())
	}
	sub := &subscriber{Reader: history.NewReader(&f, nil)}
	rests := 0
	rest := func() {
		if rests++; !in.linking.TryLock() || !in.mu.TryLock() {
			t.Fatal("a lock is held during a rest")
		}
		in.mu.Unlock()
		in.linking.Unlock()
	}
	in.link(sub, rest)
	in.unlink(sub, rest)
	if rests != 2*3 {
		t.Errorf("%d rests; want 2 * 3", rests)
	}
}
