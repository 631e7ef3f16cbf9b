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

// maxCounted bounds the addresses that a minuteLimit counts. At the bound, the
// counts of all addresses restart from zero.
const maxCounted = 1 << 16

// minuteLimit lets something happen perMinute times in each minute for each
// address.
type minuteLimit struct {
	perMinute int

	mu     sync.Mutex // guards the fields below
	minute time.Time  // when it began
	counts map[netip.Addr]int
}

// allow reports whether it may happen at the time now, and counts it if so.
func (l *minuteLimit) allow(addr netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waitLocked(addr, now) > 0 {
		return false
	}
	if len(l.counts) >= maxCounted {
		clear(l.counts)
	}
	l.counts[addr]++
	return true
}

// wait returns how long it may not happen; 0 if it may happen at the time now.
func (l *minuteLimit) wait(addr netip.Addr, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waitLocked(addr, now)
}

// waitLocked is wait with mu held.
func (l *minuteLimit) waitLocked(addr netip.Addr, now time.Time) time.Duration {
	age := now.Sub(l.minute)
	if l.counts == nil || age >= time.Minute || age < 0 {
		l.minute, l.counts = now, make(map[netip.Addr]int)
		return 0
	}
	if l.counts[addr] < l.perMinute {
		return 0
	}
	return time.Minute - age
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
