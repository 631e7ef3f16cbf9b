package wiretest

import (
	"runtime"
	"testing"
	"time"
)

// Cost is what something came to, in this process: an attack's victim and
// whoever makes it.
type Cost struct {
	Time  time.Duration // of the processor, all goroutines together
	Bytes uint64        // allocated, whether or not they are free again
}

// MaxRefusal is what an attack may cost.
var MaxRefusal = Cost{5 * time.Millisecond, 512 << 10}

// Refused runs an attack and fails the test where it costs more than
// MaxRefusal; see [Within].
func Refused(t testing.TB, name string, attack func()) Cost {
	t.Helper()
	return Within(t, name, MaxRefusal, attack)
}

// Within runs f, which is over when no more goroutines run than before: those
// that it made are gone, and with them what they burn. It fails the test where
// that cost more than the limit. Because a machine has other things to do, f is
// run again, up to five times, and the least counts.
func Within(t testing.TB, name string, limit Cost, f func()) Cost {
	t.Helper()
	limit = Cost{limit.Time * raceFactor, limit.Bytes * raceFactor}
	c := spent(t, name, f)
	for try := 1; try < 5 && c.exceeds(limit); try++ {
		again := spent(t, name, f)
		c = Cost{min(c.Time, again.Time), min(c.Bytes, again.Bytes)}
	}
	if c.exceeds(limit) {
		t.Errorf("%s: it took %v of the processor, at most %v, and %d bytes were allocated, at most %d", name, c.Time, limit.Time, c.Bytes, limit.Bytes)
	}
	return c
}

func (c Cost) exceeds(limit Cost) bool { return c.Time > limit.Time || c.Bytes > limit.Bytes }

// spent runs f, waits until no more goroutines run than before, and returns
// what all that cost.
func spent(t testing.TB, name string, f func()) Cost {
	t.Helper()
	goroutines := runtime.NumGoroutine()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	f()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%s: %d goroutines, %d before:\n%s", name, runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
		}
	}
	took := cpuTime() - start
	runtime.ReadMemStats(&after)
	return Cost{took, after.TotalAlloc - before.TotalAlloc}
}
