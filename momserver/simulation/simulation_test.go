// Package simulation_test runs real servers and real clients on a network that
// fails, in simulated time, and checks what must always be true. All that
// happens is drawn from a seed, so that what went wrong once goes wrong again:
//
//	go test ./momserver/simulation -sim.seed 42
//
// A failing seed is kept in testdata/simulation, and is run first from then on.
// Half of the seeds run on all processors, and may need several replays; see
// simulate.
package simulation_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	keep     = flag.Bool("sim.keep", true, "keep failing seeds in testdata/simulation")
	kept     = flag.Bool("sim.kept", true, "run the kept seeds first")
	fast     = flag.Bool("sim.fast", false, "end the process at the first violation")
)

const corpus = "../../testdata/simulation"

// TestSimulation runs the kept seeds, and then as many as it is told.
func TestSimulation(t *testing.T) {
	if *alone != 0 {
		trace := runSeed(t, *alone, *duration)
		t.Log("\n" + trace)
		return
	}
	if *kept {
		for _, k := range keptSeeds(t) {
			runSeed(t, k.seed, k.duration)
		}
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
		keepSeed(t, seed, duration)
	}
	return trace
}

type keptSeed struct {
	seed     uint64
	duration time.Duration
}

// keptSeeds returns the seeds that have failed once: each a file, named by the
// seed, that holds the duration.
func keptSeeds(t *testing.T) (all []keptSeed) {
	files, err := filepath.Glob(filepath.Join(corpus, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		seed, err1 := strconv.ParseUint(filepath.Base(name), 10, 64)
		duration, err2 := time.ParseDuration(strings.TrimSpace(string(text)))
		if err1 != nil || err2 != nil {
			t.Errorf("%s is no seed: %v, %v", name, err1, err2)
			continue
		}
		all = append(all, keptSeed{seed, duration})
	}
	return all
}

// keepSeed keeps a seed that has failed.
func keepSeed(t *testing.T, seed uint64, duration time.Duration) {
	if !*keep {
		return
	}
	err := os.MkdirAll(corpus, 0o777)
	if err == nil {
		err = os.WriteFile(filepath.Join(corpus, strconv.FormatUint(seed, 10)), []byte(duration.String()+"\n"), 0o666)
	}
	if err != nil {
		t.Errorf("seed %d cannot be kept: %v", seed, err)
	}
}
