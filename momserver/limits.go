package momserver

import (
	"net/netip"
	"sync"
	"time"
)

// limits.go holds how often something may happen.

// pace lets something happen so many times a second, and as many at once as
// burst. Its user guards it.
type pace struct {
	perSecond, burst float64
	spent            float64 // of burst
	last             time.Time
}

// take reports whether it may happen now, and counts it.
func (p *pace) take(now time.Time) bool {
	p.spent = max(0, p.spent-now.Sub(p.last).Seconds()*p.perSecond)
	p.last = now
	if p.spent > p.burst-1 {
		return false
	}
	p.spent++
	return true
}

// maxCounted bounds the addresses that are counted in a minute; when there are
// more, counting begins anew.
const maxCounted = 1 << 16

// minuteLimit counts for each address in the current minute.
type minuteLimit struct {
	perMinute int

	mu     sync.Mutex // guards the fields below
	minute time.Time  // when it began
	counts map[netip.Addr]int
}

// allow reports whether one more fits the minute, and counts it.
func (l *minuteLimit) allow(addr netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left(addr, now) > 0 {
		return false
	}
	if len(l.counts) >= maxCounted {
		clear(l.counts)
	}
	l.counts[addr]++
	return true
}

// wait returns how long nothing more fits, 0 where it does.
func (l *minuteLimit) wait(addr netip.Addr, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left(addr, now)
}

// left is wait. mu is held.
func (l *minuteLimit) left(addr netip.Addr, now time.Time) time.Duration {
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

// sourceOf returns what an address is counted as: itself, or the /64 network
// of an IPv6 address, all of which one machine may use.
func sourceOf(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return addr
}
