package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// testPackages are the packages whose tests are run.
var testPackages = []string{
	"wire", "wire/internal/gob", "wire/duplex", "wire/protocol", "momserver/internal/history", "momserver", "momclient", "momclient/jobs",
	"wire/protocol/protocoltest", "wire/wiretest",
	"momserver/debug", "momserver/simulation", sockets,
}

// sockets is the package whose tests take long.
const sockets = "momserver/sockets"

// simulation is the test that is run with few seeds at first.
const (
	simulation = "TestSimulation"
	firstSeeds = 5
)

// test is one test function.
type test struct {
	pkg     string // its directory
	name    string
	args    []string
	took    time.Duration
	reaches map[int]bool // numbers of the mutants that the test runs into
}

func (t *test) String() string { return t.pkg + "." + t.name }

// suite is the built tests.
type suite struct {
	dir   string
	tests []*test
	runs  atomic.Int64 // counts files
}

// newSuite builds the tests, and runs each of them without a mutant.
func newSuite(dir, overlay string, mutants int) (*suite, error) {
	s := &suite{dir: dir}
	var all []*test
	for _, pkg := range testPackages {
		if *quick && pkg == sockets {
			continue
		}
		build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", s.binary(pkg), "./"+pkg)
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w\n%s", build, err, out)
		}
		names := exec.Command(s.binary(pkg), "-test.list", "^(Test|Fuzz|Example)")
		names.Dir = pkg
		out, err := names.Output()
		if err != nil {
			return nil, fmt.Errorf("%v: %w", names, err)
		}
		for _, name := range strings.Fields(string(out)) {
			t := &test{pkg: pkg, name: name}
			if name == simulation {
				t.args = simulate(1, firstSeeds)
			} else if pkg == "momserver/simulation" {
				t.args = []string{"-sim.replays", "1"}
			}
			all = append(all, t)
		}
	}
	var mu sync.Mutex
	inParallel(all, func(t *test) {
		for range 2 { // a test that failed may have been a victim of the load
			if s.measure(t) {
				mu.Lock()
				s.tests = append(s.tests, t)
				mu.Unlock()
				return
			}
		}
		fmt.Printf("%v fails without a mutant, and is left out\n", t)
	})
	slices.SortFunc(s.tests, func(a, b *test) int { return cmp.Compare(a.took, b.took) })
	return s, nil
}

// simulate returns the flags of the simulation.
func simulate(first, n int) []string {
	return []string{"-sim.first", strconv.Itoa(first), "-sim.seeds", strconv.Itoa(n), "-sim.fast"}
}

func (s *suite) binary(pkg string) string {
	return filepath.Join(s.dir, strings.ReplaceAll(pkg, "/", "_")+".test")
}

// measure runs a test alone, without a mutant, and records the mutants that it
// reaches.
func (s *suite) measure(t *test) (passed bool) {
	file := filepath.Join(s.dir, fmt.Sprintf("reached%d", s.runs.Add(1)))
	began := time.Now()
	if _, err := s.run([]*test{t}, 5*time.Minute, reachedEnv+"="+file); err != nil {
		return false
	}
	t.took = time.Since(began)
	text, err := os.ReadFile(file)
	if err != nil {
		return true // the test reaches no mutant
	}
	t.reaches = make(map[int]bool)
	for _, word := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(word); err == nil {
			t.reaches[n] = true
		}
	}
	return true
}

// reached returns how many mutants some test reaches.
func (s *suite) reached(all []*mutant) (n int) {
	for _, m := range all {
		if slices.ContainsFunc(s.tests, func(t *test) bool { return t.reaches[m.id] }) {
			n++
		}
	}
	return n
}

var errTimeout = errors.New("timeout")

// run runs tests of one package in one process, until the first that fails.
func (s *suite) run(tests []*test, timeout time.Duration, env string) (output string, err error) {
	var names []string
	for _, t := range tests {
		names = append(names, t.name)
	}
	pkg := tests[0].pkg
	// The limit is for a mutant that allocates without end.
	args := []string{"-c", `ulimit -d 4000000 2>/dev/null; exec "$0" "$@"`, s.binary(pkg),
		"-test.run", "^(" + strings.Join(names, "|") + ")$", "-test.failfast", "-test.timeout", timeout.String()}
	args = append(args, tests[0].args...)
	ctx, cancel := context.WithTimeout(context.Background(), timeout+5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Dir = pkg
	cmd.Env = append(os.Environ(), env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if cmd.Process != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the processes that it left behind
	}
	if err != nil && (ctx.Err() != nil || strings.Contains(out.String(), "panic: test timed out after")) {
		err = errTimeout
	}
	return out.String(), err
}

// batches returns the tests that reach a mutant in groups that run in one
// process each, the fastest first.
func (s *suite) batches(m *mutant) (all [][]*test) {
	quick := make(map[string][]*test)
	for _, t := range s.tests {
		if !t.reaches[m.id] {
			continue
		}
		if t.took > time.Second || t.args != nil {
			all = append(all, []*test{t})
			continue
		}
		quick[t.pkg] = append(quick[t.pkg], t)
	}
	for _, tests := range quick {
		// The quickest ten first: they find most.
		if len(tests) > 15 {
			all = append(all, tests[:10])
			tests = tests[10:]
		}
		all = append(all, tests)
	}
	slices.SortFunc(all, func(a, b []*test) int {
		return cmp.Or(cmp.Compare(duration(a), duration(b)), cmp.Compare(a[0].String(), b[0].String()))
	})
	return all
}

func duration(tests []*test) (sum time.Duration) {
	for _, t := range tests {
		sum += t.took
	}
	return sum
}

// try runs the tests that reach a mutant, until one finds it. It returns the
// result, and the tests that found it or reached it.
func (s *suite) try(m *mutant) (result, by string) {
	batches := s.batches(m)
	if len(batches) == 0 {
		return unreached, ""
	}
	var names []string
	for _, tests := range batches {
		for _, t := range tests {
			names = append(names, t.String())
		}
		if by := s.finds(m, tests); by != "" {
			return found, by
		}
	}
	for _, t := range s.tests {
		if t.name == simulation && t.reaches[m.id] && *seeds > firstSeeds && !*quick {
			more := &test{pkg: t.pkg, name: t.name, args: simulate(1+firstSeeds, *seeds-firstSeeds), took: t.took * time.Duration(*seeds/firstSeeds)}
			if by := s.finds(m, []*test{more}); by != "" {
				return found, by
			}
		}
	}
	if len(names) > 8 {
		names = append(names[:8], fmt.Sprintf("%d more", len(names)-8))
	}
	return missed, strings.Join(names, ", ")
}

var failure = regexp.MustCompile(`(?m)^(?:--- FAIL: (\w+)|panic: (.*)|fatal error: (.*))`)

// finds runs tests with a mutant, and returns the test or the panic that found
// it, or "". The load of the machine can make a test fail. So a test that
// failed must fail again, and a test that took too long or uses real sockets
// must pass without the mutant.
func (s *suite) finds(m *mutant, tests []*test) (by string) {
	timeout := max(10*time.Second, 10*duration(tests))
	env := mutantEnv + "=" + strconv.Itoa(m.id)
	began := time.Now()
	output, err := s.run(tests, timeout, env)
	if *chosen != "" && *verbose {
		fmt.Printf("%v: %v\n%s\n", tests, err, output)
	}
	if err == nil {
		return ""
	}
	by = err.Error()
	if match := failure.FindStringSubmatch(output); match != nil && err != errTimeout {
		by = cmp.Or(match[1], match[2], match[3])
		if i := slices.IndexFunc(tests, func(t *test) bool { return t.name == match[1] }); i >= 0 {
			tests = tests[i : i+1]
		}
		if _, err := s.run(tests, timeout, env); err == nil {
			return ""
		}
	}
	if err == errTimeout || time.Since(began) > 5*time.Second || tests[0].pkg == sockets {
		if _, err := s.run(tests, timeout, mutantEnv+"=0"); err != nil {
			return ""
		}
	}
	return tests[0].pkg + ": " + by
}
