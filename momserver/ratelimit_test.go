package momserver

import (
	"net/netip"
	"testing"
	"time"
)

// TestMinuteLimit is exact, for each address by itself.
func TestMinuteLimit(t *testing.T) {
	now := time.Unix(1e9, 0)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	l := minuteLimit{perMinute: 2}
	for i, want := range []bool{true, true, false} {
		if got := l.allow(a, now); got != want {
			t.Errorf("%d: %v", i, got)
		}
	}
	if !l.allow(b, now) || l.wait(b, now) != 0 {
		t.Error("another address is not let through")
	}
	if w := l.wait(a, now.Add(20*time.Second)); w != 40*time.Second {
		t.Errorf("to wait: %v", w)
	}
	if l.allow(a, now.Add(time.Minute-1)) || !l.allow(a, now.Add(time.Minute)) {
		t.Error("the minute has another length")
	}
	for i, want := range []bool{true, false} { // of the next minute one has been taken
		if got := l.allow(a, now.Add(2*time.Minute-1)); got != want {
			t.Errorf("at the end of the next minute, %d: %v", i, got)
		}
	}
	if !l.allow(a, now.Add(-time.Hour)) || !l.allow(b, now.Add(-time.Hour)) {
		t.Error("a clock that goes back shuts everybody out")
	}
}

// TestMinuteLimitForgets rather than grow.
func TestMinuteLimitForgets(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := minuteLimit{perMinute: 1}
	for i := range 3 * maxCounted / 2 {
		l.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
		if len(l.counts) > maxCounted {
			t.Fatalf("%d addresses are counted", len(l.counts))
		}
	}
	if len(l.counts) != maxCounted/2 {
		t.Errorf("%d addresses are counted", len(l.counts))
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

// TestPace allows burst uses at once, and then one more each time that its part
// of a second has passed.
func TestPace(t *testing.T) {
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
