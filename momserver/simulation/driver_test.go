package simulation_test

import (
	"fmt"
	"slices"
	"time"

	"mom.internal/wire/wiretest/faultnet"
)

// driver makes the faults. Each lasts for a while, on one link; several may
// last at once, on one link too.
type driver struct {
	*actor
	victims []victim
	lasting []lasting // by their end
	blocked map[*faultnet.Link][2]int
}

// victim is a link on which faults are made.
type victim struct {
	*faultnet.Link
	name string
}

// lasting is a fault that ends.
type lasting struct {
	until time.Time
	end   func()
}

func newDriver(w *simulation) *driver {
	d := &driver{actor: w.actor("driver"), blocked: make(map[*faultnet.Link][2]int)}
	for _, s := range w.subscribers {
		if !s.healthy {
			d.victims = append(d.victims, victim{s.link, s.name})
		}
	}
	return d
}

// live makes faults until the end, when it heals all.
func (d *driver) live(end time.Time) {
	next := time.Now()
	for {
		if next = next.Add(d.between(50*time.Millisecond, 2500*time.Millisecond)); next.After(end) {
			break
		}
		d.endUntil(next)
		d.sleepUntil(next)
		d.fault()
		d.w.look()
	}
	d.endUntil(end)
	d.sleepUntil(end)
	for _, l := range d.lasting {
		l.end()
	}
	for _, v := range d.victims {
		v.Heal()
	}
	d.did("healed")
}

// endUntil ends, in their time, the faults that end before then.
func (d *driver) endUntil(then time.Time) {
	for len(d.lasting) > 0 && d.lasting[0].until.Before(then) {
		d.sleepUntil(d.lasting[0].until)
		d.lasting[0].end()
		d.lasting = d.lasting[1:]
	}
}

// last has a fault end after a while.
func (d *driver) last(from, to time.Duration, end func()) time.Duration {
	took := d.between(from, to)
	until := time.Now().Add(took)
	i, _ := slices.BinarySearchFunc(d.lasting, until, func(l lasting, t time.Time) int { return l.until.Compare(t) })
	d.lasting = slices.Insert(d.lasting, i, lasting{until, end})
	return took
}

// fault makes one.
func (d *driver) fault() {
	if d.odds(25) {
		d.restart()
		return
	}
	l, way := d.victims[d.rand.IntN(len(d.victims))], one(d.actor, faultnet.Up, faultnet.Down)
	what := ""
	switch d.rand.IntN(11) {
	case 0, 1:
		l.Cut()
		what = "cut"
	case 2:
		l.Tear(way)
		what = fmt.Sprint("torn ", way)
	case 3:
		l.Forget()
		what = "forgotten"
	case 4, 5:
		d.block(l.Link, way)
		what = fmt.Sprint("blocked ", way, " for ", d.last(10*time.Millisecond, 12*time.Second, func() { d.unblock(l.Link, way) }))
	case 6:
		d.block(l.Link, faultnet.Up)
		d.block(l.Link, faultnet.Down)
		what = fmt.Sprint("partitioned for ", d.last(10*time.Millisecond, 12*time.Second, func() { d.unblock(l.Link, faultnet.Up); d.unblock(l.Link, faultnet.Down) }))
	case 7:
		l.Throttle(way, one(d.actor, 15, 30, 300, 3000))
		what = fmt.Sprint("slow ", way, " for ", d.last(time.Second, 10*time.Second, func() { l.Throttle(way, 0) }))
	case 8:
		l.Delay(d.between(time.Second, 7*time.Second))
		l.Late(true)
		what = fmt.Sprint("slow to connect for ", d.last(time.Second, 10*time.Second, func() { l.Delay(0); l.Late(false) }))
		l.Cut()
	case 9:
		l.Twice(true)
		what = fmt.Sprint("connects twice for ", d.last(time.Second, 10*time.Second, func() { l.Twice(false) }))
		l.Cut()
	case 10:
		d.block(l.Link, faultnet.Up)
		d.block(l.Link, faultnet.Down)
		l.Forget()
		what = fmt.Sprint("gone for ", d.last(10*time.Millisecond, 9*time.Second, func() { d.unblock(l.Link, faultnet.Up); d.unblock(l.Link, faultnet.Down) }))
	}
	d.did("%s %s", l.name, what)
}

// block and unblock count, because faults may overlap.
func (d *driver) block(l *faultnet.Link, way faultnet.Way) {
	d.count(l, way, 1)
	l.Block(way)
}

func (d *driver) unblock(l *faultnet.Link, way faultnet.Way) {
	if d.count(l, way, -1) == 0 {
		l.Unblock(way)
	}
}

// count returns how many faults block the way.
func (d *driver) count(l *faultnet.Link, way faultnet.Way, more int) int {
	blocked := d.blocked[l]
	blocked[way] += more
	d.blocked[l] = blocked
	return blocked[way]
}

// restart ends the server, by a crash or in good order, and starts another.
func (d *driver) restart() {
	h := d.w.host
	if d.odds(2) {
		d.did("crash")
		h.crash(func() { d.all(d.block) }, func() {
			for _, l := range d.w.links {
				l.Cut()
			}
			d.all(d.unblock)
		})
	} else {
		d.did("shutdown")
		h.shutdown(d.between(10*time.Millisecond, 2*time.Second))
	}
	d.sleep(d.between(10*time.Millisecond, 3*time.Second))
	h.start()
}

func (d *driver) all(do func(*faultnet.Link, faultnet.Way)) {
	for _, l := range d.w.links {
		for _, way := range faultnet.Ways {
			do(l, way)
		}
	}
}
