package simulation_test

import (
	"strings"
	"testing"

	"mom/wire/wiretest/invariant"
)

// TestReplay simulates seeds twice: all that everybody does is the same, to
// the nanosecond.
func TestReplay(t *testing.T) {
	ignore := func(invariant.Violation) {} // TestSimulation's business
	for seed := *first; seed < *first+uint64(*replays); seed++ {
		once, again := simulate(t, seed, *duration, ignore), simulate(t, seed, *duration, ignore)
		if once == again {
			continue
		}
		a, b := strings.Split(once, "\n"), strings.Split(again, "\n")
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				t.Errorf("seed %d: line %d of the trace, of %d and %d:\n%s\n%s", seed, i, len(a), len(b), a[i], strings.Join(b[min(i, len(b)):min(i+1, len(b))], ""))
				break
			}
		}
	}
}
