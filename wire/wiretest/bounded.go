package wiretest

import (
	"runtime/metrics"
	"testing"
	"time"
)

// What one input may cost, whatever it is.
const (
	MaxTime     = 50 * time.Millisecond // of the processor, all goroutines together
	MaxBytes    = 8 << 20               // allocated, and on top
	MaxPerInput = 64                    // for each byte of the input
)

// Bounded runs f, which handles an input of the size, and fails the test where
// it costs more than an input may. Because a machine has other things to do, f
// is run again, up to five times, and the least counts.
func Bounded(t testing.TB, size int, f func()) {
	t.Helper()
	limit := uint64(MaxBytes + MaxPerInput*size)
	var took time.Duration
	var bytes uint64
	for try := range 5 {
		before, start := allocated(), cpuTime()
		f()
		now, n := cpuTime()-start, allocated()-before
		if try == 0 || now < took {
			took = now
		}
		if try == 0 || n < bytes {
			bytes = n
		}
		if took <= MaxTime && bytes <= limit {
			return
		}
	}
	t.Errorf("an input of %d bytes took %v of the processor, at most %v, and allocated %d bytes, at most %d", size, took, MaxTime, bytes, limit)
}

// allocated returns the bytes of heap that the process has allocated so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
