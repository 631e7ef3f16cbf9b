package simulation_test

import (
	"strings"
	"testing"
	"time"

	"mom.internal/wire/wiretest/invariant"
)

// underRace is set by the race detector.
var underRace bool

// TestReplay simulates seeds twice: if a seed runs on one processor, everything
// happens the same way, to the microsecond.
//
// Only the order in which several goroutines of the library act at one instant
// is open: if a connection has both the reply to Subscribe and the first batch
// to write, either may be first. The scheduler decides that alike on one
// processor, unless it takes the processor from a goroutine whose time is up,
// and with the race detector it decides at random. So a seed has a few tries to
// come out the same twice.
func TestReplay(t *testing.T) {
	if underRace {
		t.Skip("the race detector shuffles what runs at one instant")
	}
	ignore := func(invariant.Violation) {} // TestSimulation's business
	for seed, n := *first, 0; n < *replays; seed++ {
		if parallel(seed) {
			continue
		}
		n++
		once := simulate(t, seed, *duration, ignore)
		traces := map[string]bool{once: true}
		for again := ""; ; traces[again] = true {
			if again = simulate(t, seed, *duration, ignore); traces[again] {
				break
			}
			if len(traces) == replayTries {
				t.Errorf("seed %d: not the same in %d tries; the first that is not:\n%s\n%s", seed, replayTries, earliestOnlyIn(once, again), earliestOnlyIn(again, once))
				break
			}
		}
	}
}

// replayTries is how many simulations of a seed there are at most.
const replayTries = 5

// earliestOnlyIn returns the line of a trace with the earliest time that
// another does not have.
func earliestOnlyIn(trace, other string) (line string) {
	has := make(map[string]bool)
	for l := range strings.Lines(other) {
		has[l] = true
	}
	earliest := time.Duration(1<<63 - 1)
	for l := range strings.Lines(trace) {
		at, err := time.ParseDuration(strings.Fields(l + " x")[0])
		if err == nil && !has[l] && at < earliest {
			line, earliest = l, at
		}
	}
	return line
}
