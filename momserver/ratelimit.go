package momserver

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// rateLimit lets something happen perSecond times a second on average, and
// burst times at once. Its user guards it.
type rateLimit struct {
	perSecond, burst float64
	spent            float64 // of burst; it falls with time
	last             time.Time
}

// take reports whether it may happen at the time now, and counts it if so.
func (p *rateLimit) take(now time.Time) bool {
	p.spent = max(0, p.spent-now.Sub(p.last).Seconds()*p.perSecond)
	p.last = now
	if p.spent > p.burst-1 {
		return false
	}
	p.spent++
	return true
}

// pace delays uses so that there are perSecond of them a second on average. As many
// may come at once.
type pace struct {
	perSecond int

	mu   sync.Mutex // guards next
	next time.Time  // the next use may happen a second before this time
}

func newPace(perSecond int) *pace { return &pace{perSecond: perSecond} }

// wait counts a use, and returns how long it has to wait from now; zero or less for
// not at all.
func (p *pace) wait(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now) - time.Second
	p.next = p.next.Add(time.Second / time.Duration(p.perSecond))
	return wait
}

// maxCounted bounds the addresses that a windowLimit counts. At the bound, the
// counts of all addresses restart from zero.
const maxCounted = 1 << 16

// windowLimit lets something happen a number of times in each window of time for
// each address.
type windowLimit struct {
	window time.Duration
	most   int

	mu     sync.Mutex // guards the fields below
	began  time.Time  // the window
	counts map[netip.Addr]int
}

// allow reports whether it may happen at the time now, and counts it if so.
func (l *windowLimit) allow(addr netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.usedUp(addr, now) {
		return false
	}
	if len(l.counts) >= maxCounted {
		clear(l.counts)
	}
	l.counts[addr]++
	return true
}

// giveBack takes back the count of a use that allow has allowed.
func (l *windowLimit) giveBack(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[addr] > 0 { // otherwise it was in an earlier window
		l.counts[addr]--
	}
}

// reached reports whether it may not happen at the time now.
func (l *windowLimit) reached(addr netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usedUp(addr, now)
}

// usedUp is reached with mu held.
func (l *windowLimit) usedUp(addr netip.Addr, now time.Time) bool {
	if age := now.Sub(l.began); l.counts == nil || age >= l.window || age < 0 {
		l.began, l.counts = now, make(map[netip.Addr]int)
	}
	return l.counts[addr] >= l.most
}

// spacing gives things of one address times that are an interval apart.
type spacing struct {
	interval, longest time.Duration

	mu   sync.Mutex               // guards next
	next map[netip.Addr]time.Time // the first free time of an address, if it is to come
}

// wait returns how long to wait from now: at most longest, whatever came before.
func (p *spacing) wait(addr netip.Addr, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil || len(p.next) >= maxCounted {
		p.next = make(map[netip.Addr]time.Time)
	}
	wait := max(0, p.next[addr].Sub(now))
	if wait >= p.longest {
		return p.longest
	}
	p.next[addr] = now.Add(wait + p.interval)
	return wait
}

// addrKey returns the limitKey of the address that a connection comes from.
func addrKey(conn interface{ RemoteAddr() net.Addr }) netip.Addr {
	remote, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	return limitKey(remote.Addr())
}

// limitKey returns what the bounds count an address as: the address itself, or
// the /64 network of an IPv6 address, because one machine may use all of it.
func limitKey(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		network, _ := addr.Prefix(64) // cannot fail, because addr has 128 bits and no zone
		return network.Addr()
	}
	return addr
}
