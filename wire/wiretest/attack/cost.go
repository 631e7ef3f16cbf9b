package attack

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// Cost is what a piece of work costs the process: the work of an attack's
// victim and that of the attacker.
type Cost struct {
	Time  time.Duration // of the processor, all goroutines together
	Bytes uint64        // allocated, whether or not they are free again
}

// MaxRefusal is what the refusal of one attack may cost.
var MaxRefusal = Cost{5 * time.Millisecond, 512 << 10}

// Bounded runs f, which handles an input of size bytes, and fails the test if
// that costs more than 50 ms of the processor, or more memory than 8 MiB and 64
// bytes for each byte of the input.
func Bounded(t testing.TB, size int, f func()) {
	t.Helper()
	least(t, fmt.Sprintf("an input of %d bytes", size), Cost{50 * time.Millisecond, uint64(8<<20 + 64*size)}, func() Cost {
		return costOf(f)
	})
}

// Refused runs an attack and fails the test if it costs more than MaxRefusal;
// see [Within].
func Refused(t testing.TB, name string, attack func()) Cost {
	t.Helper()
	return Within(t, name, MaxRefusal, attack)
}

// Within runs f and waits until no more goroutines run than before, so that
// the cost includes what the goroutines did that f started. It fails the test
// if the cost exceeds the limit.
func Within(t testing.TB, name string, limit Cost, f func()) Cost {
	t.Helper()
	return least(t, name, Cost{limit.Time * RaceFactor, limit.Bytes * RaceFactor}, func() Cost {
		goroutines := runtime.NumGoroutine()
		return costOf(func() {
			f()
			for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					stacks := make([]byte, 1<<20)
					t.Fatalf("%s: %d goroutines, %d before:\n%s", name, runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
				}
			}
		})
	})
}

// least returns the least cost of up to five runs, because a machine has other
// work to do. It fails the test if each run exceeds the limit.
func least(t testing.TB, name string, limit Cost, run func() Cost) Cost {
	t.Helper()
	c := run()
	for try := 1; try < 5 && c.exceeds(limit); try++ {
		again := run()
		c = Cost{min(c.Time, again.Time), min(c.Bytes, again.Bytes)}
	}
	if c.exceeds(limit) {
		t.Errorf("%s: it took %v of the processor, at most %v, and %d bytes were allocated, at most %d", name, c.Time, limit.Time, c.Bytes, limit.Bytes)
	}
	return c
}

func (c Cost) exceeds(limit Cost) bool { return c.Time > limit.Time || c.Bytes > limit.Bytes }

func costOf(f func()) Cost {
	bytes, start := Allocated(), cpuTime()
	f()
	took := cpuTime() - start
	return Cost{took, Allocated() - bytes}
}

// Allocated returns the exact number of bytes of heap that the process has
// allocated so far. It stops the process for a moment.
func Allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
