package momclient

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// constant is a source of one number: lowest and highest draw the least and the
// most.
type constant uint64

const (
	lowest  constant = 1 << 32
	highest constant = 1<<64 - 1
)

func (c constant) Uint64() uint64 { return uint64(c) }

// TestBackoff: the waits double up to a period, and anything up to half of them
// is taken off.
func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	for period, want := range map[time.Duration][]time.Duration{
		1600 * ms:      {200 * ms, 400 * ms, 800 * ms, 1600 * ms, 1600 * ms},
		1600*ms - 1:    {200 * ms, 400 * ms, 800 * ms, 1600*ms - 1, 1600*ms - 1},
		200*ms - 1:     {200*ms - 1, 200*ms - 1, 200*ms - 1},
		24 * time.Hour: {200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms},
		1:              {1, 1},
	} {
		for i, longest := range want {
			if got := backoff(i+1, period, rand.New(lowest)); got != longest {
				t.Errorf("period %v, attempt %d: at most %v; want %v", period, i+1, got, longest)
			}
			if got := backoff(i+1, period, rand.New(highest)); got != longest-longest/2 {
				t.Errorf("period %v, attempt %d: at least %v; want %v", period, i+1, got, longest-longest/2)
			}
		}
	}
}

// TestRandom: the waits of two clients differ if their names differ or if they
// began at different times, and are the same otherwise.
func TestRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		draw := func(name string) uint64 { return newRandom(name).Uint64() }
		first := draw("a")
		if draw("a") != first || draw("b") == first {
			t.Error("the name does not decide")
		}
		if time.Sleep(time.Nanosecond); draw("a") == first {
			t.Error("the time does not matter")
		}
	})
}
