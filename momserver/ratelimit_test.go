package momserver

import (
	"net/netip"
	"testing"
	"time"
)

// TestWindowLimit: each address has a limit of its own, which ends to the nanosecond.
func TestWindowLimit(t *testing.T) {
	now := time.Unix(1e9, 0)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	l := windowLimit{window: time.Minute, most: 2}
	for i, want := range []bool{true, true, false} {
		if l.reached(a, now) == want {
			t.Errorf("%d: reached %v", i, !want)
		}
		if got := l.allow(a, now); got != want {
			t.Errorf("%d: %v", i, got)
		}
	}
	if !l.allow(b, now) || l.reached(b, now) {
		t.Error("another address is not let through")
	}
	if l.allow(a, now.Add(time.Minute-1)) || !l.allow(a, now.Add(time.Minute)) {
		t.Error("the window has another length")
	}
	for i, want := range []bool{true, false} { // of the next window one has been taken
		if got := l.allow(a, now.Add(2*time.Minute-1)); got != want {
			t.Errorf("at the end of the next window, %d: %v", i, got)
		}
	}
	if !l.allow(a, now.Add(-time.Hour)) || !l.allow(b, now.Add(-time.Hour)) {
		t.Error("a clock that goes back shuts everybody out")
	}
	l.giveBack(b) // one of one
	l.giveBack(netip.MustParseAddr("10.0.0.3"))
	for i, want := range []bool{true, true, false} {
		if l.allow(b, now.Add(-time.Hour)) != want {
			t.Errorf("%d after one was given back: %v", i, !want)
		}
	}
	if len(l.counts) != 2 {
		t.Errorf("%d addresses are kept; want 2", len(l.counts))
	}
}

// TestWindowLimitForgets: the limit forgets addresses rather than grow.
func TestWindowLimitForgets(t *testing.T) {
	now := time.Unix(1e9, 0)
	l, p := windowLimit{window: time.Minute, most: 1}, spacing{interval: 1, longest: 2}
	for i := range 3 * maxCounted / 2 {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		l.allow(addr, now)
		p.wait(addr, now)
		if max(len(l.counts), len(p.next)) > maxCounted {
			t.Fatalf("%d and %d addresses are kept", len(l.counts), len(p.next))
		}
	}
	if len(l.counts) != maxCounted/2 || len(p.next) != maxCounted/2 {
		t.Errorf("%d and %d addresses are kept", len(l.counts), len(p.next))
	}
}

// TestSpacing: between two connections of one address there is an interval, and no
// connection waits for longer than the bound.
func TestSpacing(t *testing.T) {
	now := time.Unix(1e9, 0)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	p := spacing{interval: 5, longest: 12}
	for i, want := range []time.Duration{0, 5, 10, 12, 12} {
		if got := p.wait(a, now); got != want {
			t.Errorf("%d waits %v; want %v", i, got, want)
		}
	}
	if got := p.wait(b, now); got != 0 {
		t.Errorf("another address waits %v", got)
	}
	for _, tc := range []struct{ at, want time.Duration }{{6, 9}, {30, 0}, {35, 0}, {36, 4}} {
		if got := p.wait(a, now.Add(tc.at)); got != tc.want {
			t.Errorf("after %v: %v; want %v", tc.at, got, tc.want)
		}
	}
}

// TestSourceOf an address, however it is written.
func TestSourceOf(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "2001:db8::1:2:3:4": "2001:db8::", "fe80::1%eth0": "fe80::", "::1": "::",
	} {
		if got := limitKey(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

// TestRateLimit allows burst uses at once, and then one more each time that its part
// of a second has passed.
func TestRateLimit(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := rateLimit{perSecond: 4, burst: 2}
	take := func(want string) {
		t.Helper()
		got := ""
		for range want {
			if p.take(now) {
				got += "+"
			} else {
				got += "-"
			}
		}
		if got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	take("++--")
	now = now.Add(time.Second/4 - 1)
	take("-")
	now = now.Add(1)
	take("+-")
	now = now.Add(time.Hour)
	take("++-")
}

// TestPace lets as many pass at once as a second allows, and lets the others wait.
func TestPace(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := newPace(4)
	for i, want := range []time.Duration{-1000, -750, -500, -250, 0, 250, 500} {
		if got := p.wait(now); got != want*time.Millisecond {
			t.Errorf("%d waits %v; want %v", i, got, want*time.Millisecond)
		}
	}
	if got := p.wait(now.Add(time.Hour)); got != -time.Second {
		t.Errorf("after an hour one waits %v", got)
	}
}
