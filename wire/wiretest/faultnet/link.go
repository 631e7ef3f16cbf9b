package faultnet

import (
	"math/rand/v2"
	"time"
)

// Way is a direction over a [Link].
type Way int

// The two ways.
const (
	Up   Way = iota // from the client to the server
	Down            // from the server to the client
)

// Ways are both.
var Ways = [...]Way{Up, Down}

// Shape is how a [Link] carries bytes when nothing is wrong.
type Shape struct {
	Latency time.Duration // one way, at least; a multiple of Grid
	Jitter  time.Duration // up to this on top, by the instant of writing
	Buffer  int           // bytes in transit, above which Write blocks
	Pieces  int           // largest number of pieces of a message
	TLS     bool          // the messages are records of TLS

	// Arrivals are at multiples of Grid, plus Offset, plus a nanosecond for each
	// message that arrives at the same time. Entities with different offsets
	// therefore never act at the same instant, and the grid removes differences
	// of nanoseconds.
	Grid   time.Duration
	Offset time.Duration
}

// Link is the way between one client and a network. All its faults are made
// here. Faults without end last until Heal.
type Link struct {
	net   *Network
	name  string
	shape Shape
	seed  uint64

	// Guarded by the network's mu.
	made    int // connections
	pairs   map[*pair]struct{}
	blocked [2]time.Time // since when a way takes bytes and lets none arrive; zero for open
	rate    [2]int       // bytes a second, 0 for no bound
	delay   time.Duration
	late    bool
	twice   bool
	changed chan struct{} // closed, and made anew, when any of these changes
}

// Link returns a new link of a client to the network. name is what the
// client's addresses begin with.
func (n *Network) Link(name string, shape Shape, seed uint64) *Link {
	return &Link{net: n, name: name, shape: shape, seed: seed, pairs: make(map[*pair]struct{}), changed: make(chan struct{})}
}

// Block stops all bytes on the way. Neither end gets an error. Written bytes
// wait, up to Buffer, until Unblock. A connection cannot be made while a way is
// blocked.
func (l *Link) Block(way Way) {
	l.change(func(now time.Time) {
		if l.blocked[way].IsZero() {
			l.blocked[way] = now
		}
	})
}

// Unblock has what waits arrive after the latency.
func (l *Link) Unblock(way Way) { l.change(func(now time.Time) { l.unblock(way, now) }) }

func (l *Link) unblock(way Way, now time.Time) {
	since := l.blocked[way]
	if since.IsZero() {
		return
	}
	l.blocked[way] = time.Time{}
	for p := range l.pairs {
		p.flows[way].reschedule(since, now)
	}
}

// Throttle has the reading end of the way take so many bytes a second; 0 for
// no bound.
func (l *Link) Throttle(way Way, bytesPerSecond int) {
	l.change(func(now time.Time) {
		l.rate[way] = bytesPerSecond
		for p := range l.pairs {
			p.flows[way].reschedule(now, now)
		}
	})
}

// Cut resets every connection, at both ends and at once.
func (l *Link) Cut() {
	l.change(func(time.Time) {
		for p := range l.pairs {
			p.reset()
		}
	})
}

// Tear resets every connection within the next message on the way, of which
// the first half arrives.
func (l *Link) Tear(way Way) {
	l.change(func(time.Time) {
		for p := range l.pairs {
			p.flows[way].torn = true
		}
	})
}

// Forget makes every connection half-open: both ends believe that it exists,
// and what they write vanishes. Who has written, or writes, is told by a reset,
// after the latency, but not while the link is blocked.
func (l *Link) Forget() {
	l.change(func(time.Time) {
		for p := range l.pairs {
			p.forgotten = true
		}
	})
}

// Delay makes the connections that are made from now on take so much longer.
func (l *Link) Delay(delay time.Duration) { l.change(func(time.Time) { l.delay = delay }) }

// Late has connections that were given up arrive at the server all the same.
func (l *Link) Late(on bool) { l.change(func(time.Time) { l.late = on }) }

// Twice has each connection arrive at the server a second time, from nobody.
func (l *Link) Twice(on bool) { l.change(func(time.Time) { l.twice = on }) }

// Heal ends all faults. Connections that were forgotten stay so.
func (l *Link) Heal() {
	l.change(func(now time.Time) {
		l.delay, l.late, l.twice, l.rate = 0, false, false, [2]int{}
		for _, way := range Ways {
			l.unblock(way, now)
			for p := range l.pairs {
				p.flows[way].torn = false
				p.flows[way].reschedule(now, now)
			}
		}
	})
}

// change changes the link's state and tells all who wait for it.
func (l *Link) change(to func(now time.Time)) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	now := time.Now()
	for p := range l.pairs {
		p.note(now)
	}
	to(now)
	close(l.changed)
	l.changed = make(chan struct{})
	for p := range l.pairs {
		p.note(now)
		p.retell(now)
		p.wake()
	}
}

func (l *Link) impaired() bool {
	return !l.blocked[Up].IsZero() || !l.blocked[Down].IsZero() || l.rate[Up] > 0 || l.rate[Down] > 0
}

// latency returns the time that bytes written at an instant are in transit. It is
// a multiple of Grid, and the same for all instants between two of them.
func (l *Link) latency(at time.Time, way Way) time.Duration {
	slots := int64(l.shape.Jitter / l.shape.Grid)
	if slots == 0 {
		return l.shape.Latency
	}
	draw := rand.New(rand.NewPCG(l.seed+uint64(way), uint64(at.UnixNano()/int64(l.shape.Grid))))
	return l.shape.Latency + time.Duration(draw.Int64N(slots+1))*l.shape.Grid
}

// arrival returns when bytes written at an instant arrive.
func (l *Link) arrival(at time.Time, way Way) time.Time {
	return at.Truncate(l.shape.Grid).Add(l.shape.Grid + l.latency(at, way) + l.shape.Offset)
}

// answer returns when an answer comes to what is sent at an instant.
func (l *Link) answer(at time.Time) time.Time { return l.arrival(at, Up).Add(l.latency(at, Down)) }
