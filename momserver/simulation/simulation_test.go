// Package simulation_test runs real servers and real clients on a network that
// fails, in simulated time, and checks what must always be true. All that
// happens is drawn from a seed, so that what went wrong once goes wrong again:
//
//	go test ./momserver/simulation -sim.seed 42
//
// Half of the seeds run on all processors, and may need several replays; see
// simulate.
package simulation_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"mom.internal/wire/wiretest/invariant"
)

var (
	seeds    = flag.Int("sim.seeds", 200, "how many `seeds` to simulate; a tenth with -short")
	first    = flag.Uint64("sim.first", 1, "the first `seed`")
	alone    = flag.Uint64("sim.seed", 0, "simulate this `seed` alone, and print its trace with -v")
	duration = flag.Duration("sim.duration", time.Minute, "how much `time` of a seed is simulated")
	replays  = flag.Int("sim.replays", 5, "how many seeds are simulated twice, and compared")
	fast     = flag.Bool("sim.fast", false, "end the process at the first violation")
)

// TestSimulation simulates the seeds that the flags name.
func TestSimulation(t *testing.T) {
	if *alone != 0 {
		trace := runSeed(t, *alone, *duration)
		t.Log("\n" + trace)
		return
	}
	n := *seeds
	if testing.Short() {
		n = max(1, n/10)
	}
	for seed := *first; seed < *first+uint64(n); seed++ {
		runSeed(t, seed, *duration)
	}
}

// runSeed runs a seed in a test of its own, and returns its trace.
func runSeed(t *testing.T, seed uint64, duration time.Duration) (trace string) {
	t.Helper()
	command := fmt.Sprintf("go test ./momserver/simulation -run TestSimulation -sim.seed %d -sim.duration %v -v", seed, duration)
	var failed bool
	trace = simulate(t, seed, duration, func(v invariant.Violation) {
		// On stderr too: what is violated may end the process before t is heard.
		fmt.Fprintf(os.Stderr, "seed %d: %v\n\treplay: %s\n", seed, v, command)
		if *fast {
			os.Exit(1)
		}
		failed = true
		t.Errorf("seed %d: %v", seed, v)
	})
	if failed {
		t.Logf("seed %d is replayed by: %s", seed, command)
	}
	return trace
}
