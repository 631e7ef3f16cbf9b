package protocol

import (
	"testing"
	"time"
)

// TestNanos carries the times of the years that fit, and no other.
func TestNanos(t *testing.T) {
	first, last := time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2261, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	for _, at := range []time.Time{first, last, time.Unix(0, 1).UTC(), time.Unix(0, -1).UTC(), {}} {
		if got := fromNanos(nanos(at)); got != at {
			t.Errorf("%v becomes %v", at, got)
		}
	}
	for _, at := range []time.Time{first.Add(-1), last.Add(1), time.Unix(0, 0)} {
		if n := nanos(at); n != 0 {
			t.Errorf("%v becomes %d", at, n)
		}
	}
	east := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	if got := fromNanos(nanos(east)); got != east.UTC() {
		t.Errorf("%v becomes %v", east, got)
	}
}
