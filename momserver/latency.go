package momserver

import (
	"slices"
	"sync/atomic"
	"time"
)

// latencyBounds are the upper bounds of the histogram's buckets, inclusive. A
// longer time falls into a bucket without a bound.
var latencyBounds = [...]time.Duration{
	500 * time.Nanosecond, time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond,
	10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 100 * time.Millisecond, time.Second,
}

// latency counts how long calls of Publish take. It has no lock, so that
// publishers do not wait for one another here.
type latency struct {
	buckets [len(latencyBounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

func (l *latency) observe(took time.Duration) {
	i, _ := slices.BinarySearch(latencyBounds[:], took)
	l.buckets[i].Add(1)
	l.sum.Add(int64(took))
}

// Histogram is a cumulative distribution of durations.
type Histogram struct {
	Buckets []Bucket      // by rising Bound
	Count   uint64        // also of what took longer than the last Bound
	Sum     time.Duration // of all these times
}

// Bucket is one bucket of a [Histogram]. It counts the durations up to Bound,
// including those in the buckets before.
type Bucket struct {
	Bound time.Duration
	Count uint64
}

// report returns the counts. What is observed at the same time may be in Count
// and not yet in Sum.
func (l *latency) report() Histogram {
	h := Histogram{Sum: time.Duration(l.sum.Load())}
	for i := range l.buckets {
		h.Count += l.buckets[i].Load()
		if i < len(latencyBounds) {
			h.Buckets = append(h.Buckets, Bucket{latencyBounds[i], h.Count})
		}
	}
	return h
}
