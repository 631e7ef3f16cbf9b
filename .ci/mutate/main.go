// Command mutate measures what the tests of the library find. It changes the
// packages wire, momserver and momclient at one place at a time, runs the tests
// that reach the place, and reports the changes ("mutants") that no test finds.
//
//	go run ./.ci/mutate -n 300 -seed 1       a sample; -n 0 for all mutants
//	go run ./.ci/mutate -list -only cache    the mutants of a file cache.go
//	go run ./.ci/mutate -mutant 1234 -v      one mutant, with the output of its tests
//
// All mutants are compiled into one copy of each file, which go's -overlay puts
// in the place of the original. An environment variable chooses the mutant that
// a process runs, so that each test binary is built once. First each test runs
// alone without a mutant, and records the mutants that it reaches. Then each
// mutant is tried on the tests that reach it, the fastest first, and on more
// seeds of the simulation if those find nothing. A failure, a panic, a deadlock
// and a timeout find a mutant; a mutant that no test reaches is not found.
//
// Mutants that no test can find are listed in equivalent.txt, with the reason.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	seed    = flag.Uint64("seed", uint64(time.Now().UnixNano())%1_000_000, "draw the sample with this `seed`")
	count   = flag.Int("n", 0, "the `number` of mutants in the sample; 0 for all")
	limit   = flag.Duration("time", 0, "begin no further mutant after this `time`; 0 for no limit")
	only    = flag.String("only", "", "only mutants whose file:line:column function matches this `regexp`")
	list    = flag.Bool("list", false, "list the mutants, and run none")
	chosen  = flag.String("mutant", "", "run only the mutants with these `numbers`, such as 17,1234")
	verbose = flag.Bool("v", false, "print each mutant's result; with -mutant the output of its tests too")
	want    = flag.Float64("want", 90, "exit with 1 if the tests find less than this `percentage` , by more than two standard deviations of a sample")
	seeds   = flag.Int("seeds", 200, "how many `seeds` of the simulation try a mutant that no other test finds")
	quick   = flag.Bool("quick", false, "leave out real sockets and further seeds: finds less, but sooner")
	workers = flag.Int("workers", 2, "how many test processes run at once")
)

func main() {
	flag.Parse()
	low, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if low {
		os.Exit(1)
	}
}

// run reports whether the tests find too few mutants.
func run() (low bool, err error) {
	begin := time.Now()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return false, err
	}
	pkgs, err := load()
	if err != nil {
		return false, err
	}
	all, err := generate(pkgs)
	if err != nil {
		return false, err
	}
	known, err := readListed(filepath.Join(".ci", "mutate", "equivalent.txt"))
	if err != nil {
		return false, err
	}
	for _, line := range known.apply(all) {
		fmt.Println(line)
	}
	numbers := make(map[string]bool)
	for number := range strings.SplitSeq(*chosen, ",") {
		numbers[number] = *chosen != ""
	}
	sample := choose(all, pattern, numbers)
	fmt.Printf("%d mutants of %d lines; sample of %d drawn with -seed %d\n", len(all), lines(pkgs), len(sample), *seed)
	if *list {
		for _, m := range sample {
			fmt.Println(m)
		}
		return false, nil
	}

	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, pkgs, all)
	if err != nil {
		return false, err
	}
	suite, err := newSuite(dir, overlay, len(all))
	if err != nil {
		return false, err
	}
	fmt.Printf("%v: %d tests ran without a mutant; %d of %d mutants are reached\n", since(begin), len(suite.tests), suite.reached(all), len(all))
	// After an interrupt the mutants that have begun are finished, and reported.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, begin.Add(*limit))
		defer cancel()
	}
	inParallel(sample, func(m *mutant) {
		if m.reason != "" && *chosen == "" || ctx.Err() != nil {
			return
		}
		began := time.Now()
		m.result, m.by = suite.try(m)
		if *verbose {
			fmt.Printf("%v %v: %s %s (%v)\n", since(begin), m, m.result, m.by, since(began))
		}
	})
	return report(sample, since(begin)), nil
}

// choose returns the mutants that the flags ask for, in the order in which they
// are tried.
func choose(all []*mutant, pattern *regexp.Regexp, numbers map[string]bool) (sample []*mutant) {
	for _, m := range all {
		if pattern.MatchString(m.place()) && (*chosen == "" || numbers[strconv.Itoa(m.id)]) {
			sample = append(sample, m)
		}
	}
	if *list {
		return sample
	}
	random := rand.New(rand.NewPCG(*seed, 0))
	random.Shuffle(len(sample), func(i, j int) { sample[i], sample[j] = sample[j], sample[i] })
	if *count > 0 && *count < len(sample) {
		sample = sample[:*count]
	}
	return sample
}

// inParallel calls f for each mutant, in order, in as many goroutines as there
// are workers.
func inParallel[T any](all []T, f func(T)) {
	var running sync.WaitGroup
	next := make(chan T)
	for range *workers {
		running.Go(func() {
			for x := range next {
				f(x)
			}
		})
	}
	for _, x := range all {
		next <- x
	}
	close(next)
	running.Wait()
}

// report prints the mutants that were not found and the figures, and reports
// whether too few were found.
func report(sample []*mutant, took time.Duration) (low bool) {
	slices.SortFunc(sample, func(a, b *mutant) int { return cmp.Compare(a.id, b.id) })
	number := make(map[string]int)
	for _, m := range sample {
		switch {
		case m.result == "" && m.reason != "":
			m.result = listed
		case m.result == "":
			m.result = untried
		case m.result != found:
			fmt.Printf("%s: %v\n", m.result, m)
			if m.by != "" {
				fmt.Printf("\treached by %s\n", m.by)
			}
		}
		number[m.result]++
	}
	tried := len(sample) - number[listed] - number[untried]
	percent := 100 * float64(number[found]) / float64(max(1, tried))
	fmt.Printf("seed %d, %v: %d mutants in the sample; %d found, %d not found, %d not reached, %d listed as equivalent, %d not tried for lack of time: %.1f %% found\n",
		*seed, took, len(sample), number[found], number[missed], number[unreached], number[listed], number[untried], percent)
	share, n := *want/100, float64(tried)
	return n-float64(number[found]) > n*(1-share)+2*math.Sqrt(n*share*(1-share))
}

// The results of a mutant.
const (
	found     = "found"
	missed    = "not found"
	unreached = "not reached"
	listed    = "listed"
	untried   = "not tried"
)

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }

func lines(pkgs []*pkg) (n int) {
	for _, p := range pkgs {
		for _, text := range p.source {
			n += strings.Count(string(text), "\n")
		}
	}
	return n
}

// mutant is one change of the library.
type mutant struct {
	id       int
	file     string // relative to the module
	line     int
	column   int
	function string
	old, new string // the text that is changed, on one line
	ordinal  int    // number among the same changes in the same function, from 1
	edits    []edit

	reason string // from the list of mutants that no test can find
	result string
	by     string // the tests that found it, or that reached it
}

// place returns what -only is matched with.
func (m *mutant) place() string {
	return fmt.Sprintf("%s:%d:%d %s", m.file, m.line, m.column, m.function)
}

// key returns the name of the mutant in the list, which stays valid if other
// code of the function changes.
func (m *mutant) key() string {
	key := m.file + " " + m.function + ": " + m.old + " => " + m.new
	if m.ordinal > 1 {
		key += " #" + strconv.Itoa(m.ordinal)
	}
	return key
}

func (m *mutant) String() string {
	return fmt.Sprintf("%d %s:%d:%d %s", m.id, m.file, m.line, m.column, strings.TrimPrefix(m.key(), m.file+" "))
}
