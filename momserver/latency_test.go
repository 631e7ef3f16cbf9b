package momserver

import (
	"testing"
	"time"
)

// TestLatency counts what took exactly a bound within it, a nanosecond more in
// the next, and each bucket what is in those before.
func TestLatency(t *testing.T) {
	var l latency
	var sum time.Duration
	for _, bound := range latencyBounds {
		l.observe(bound)
		l.observe(bound + time.Nanosecond)
		sum += 2*bound + time.Nanosecond
	}
	h := l.report()
	if n := uint64(len(latencyBounds)); h.Count != 2*n || h.Sum != sum || len(h.Buckets) != len(latencyBounds) {
		t.Errorf("%d in %d buckets, sum %v; want %d, %v", h.Count, len(h.Buckets), h.Sum, 2*n, sum)
	}
	for i, b := range h.Buckets {
		if b.Bound != latencyBounds[i] || b.Count != uint64(2*i+1) {
			t.Errorf("%d up to %v; want %d", b.Count, b.Bound, 2*i+1)
		}
		if i > 0 && b.Bound <= h.Buckets[i-1].Bound {
			t.Errorf("the bound %v is no larger than the one before", b.Bound)
		}
	}
}
