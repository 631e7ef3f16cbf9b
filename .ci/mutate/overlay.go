package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// helperFile holds the functions that choose a mutant, in each package.
const helperFile = "zz_mutant.go"

// The environment of a test process: the mutant that it runs, and a file to
// which it appends the numbers of the mutants that it reaches.
const (
	mutantEnv  = "MUTATE_MUTANT"
	reachedEnv = "MUTATE_REACHED"
)

// writeOverlay writes the files with all mutants to dir, and returns the name
// of the file that go's -overlay is to be given.
func writeOverlay(dir string, pkgs []*pkg, all []*mutant) (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	write := func(p *pkg, name string, text []byte) error {
		file := filepath.Join(dir, strings.ReplaceAll(p.dir, "/", "_")+"_"+name)
		replace[filepath.Join(root, p.dir, name)] = file
		return os.WriteFile(file, text, 0o666)
	}
	last := 0
	for _, m := range all {
		last = max(last, m.id)
	}
	for _, p := range pkgs {
		if err := write(p, helperFile, helpers(p, last)); err != nil {
			return "", err
		}
		for _, name := range p.names {
			if err := write(p, name, render(p.source[name], editsOf(all, p.dir+"/"+name))); err != nil {
				return "", err
			}
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o666)
}

// helpers returns the helper file of a package. Each operand is evaluated
// once, and in its order.
func helpers(p *pkg, last int) []byte {
	text := fmt.Sprintf(`package %s

import (
	"cmp"
	"os"
	"strconv"
	"sync/atomic"
)

var mutantChosen, mutantFile = mutantSetUp()

// mutantSetUp returns the chosen mutant, or less than 0 and the file for those
// that are reached.
func mutantSetUp() (int, *os.File) {
	if name := os.Getenv(%q); name != "" {
		if file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666); err == nil {
			return -1, file
		}
	}
	n, _ := strconv.Atoi(os.Getenv(%q))
	return n, nil
}

var mutantSeen [%d]atomic.Bool

func mutantOn(n int) bool { return mutantChosen == n || mutantChosen < 0 && mutantReached(n) }

func mutantReached(n int) bool {
	if !mutantSeen[n].Load() && !mutantSeen[n].Swap(true) {
		mutantFile.WriteString(strconv.Itoa(n) + "\n")
	}
	return false
}

type mutantInt interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

type mutantNumber interface {
	mutantInt | ~float32 | ~float64
}

func mutantMoreByOne[T mutantInt](n int, x T) T { if mutantOn(n) { return x + 1 }; return x }
func mutantNegated[T mutantNumber](n int, x T) T { if mutantOn(n) { return -x }; return x }
func mutantMin[T cmp.Ordered](n int, x T, more ...T) T { for _, y := range more { if mutantOn(n) { x = max(x, y) } else { x = min(x, y) } }; return x }
func mutantMax[T cmp.Ordered](n int, x T, more ...T) T { for _, y := range more { if mutantOn(n) { x = min(x, y) } else { x = max(x, y) } }; return x }
`, p.types.Name(), reachedEnv, mutantEnv, last+1)
	for op, o := range operators {
		constraint, result := "mutantNumber", "T"
		switch o.helper {
		case "mutantRem", "mutantAnd", "mutantOr":
			constraint = "mutantInt"
		case "mutantLess", "mutantAtMost", "mutantMore", "mutantAtLeast":
			constraint, result = "cmp.Ordered", "bool"
		}
		text += fmt.Sprintf("func %s[T %s](n int, x, y T) %s { if mutantOn(n) { return x %s y }; return x %v y }\n", o.helper, constraint, result, o.other, op)
	}
	return []byte(text)
}

// compiling returns the mutants without those that do not compile.
func compiling(p *pkg, all []*mutant) ([]*mutant, error) {
	for {
		source := map[string][]byte{helperFile: helpers(p, 0)}
		for _, name := range p.names {
			source[name] = render(p.source[name], editsOf(all, p.dir+"/"+name))
		}
		faults := p.check(source)
		if len(faults) == 0 {
			return all, nil
		}
		before := len(all)
		for _, fault := range faults {
			at := fault.Fset.Position(fault.Pos)
			all = slices.DeleteFunc(all, func(m *mutant) bool {
				return filepath.FromSlash(m.file) == at.Filename && m.line == at.Line
			})
		}
		if len(all) == before {
			return nil, fmt.Errorf("the mutants do not compile: %w", faults[0])
		}
		if *verbose {
			fmt.Printf("%d mutants left out, which do not compile: %v\n", before-len(all), faults[0])
		}
	}
}

func editsOf(all []*mutant, file string) (edits []edit) {
	for _, m := range all {
		if m.file == file {
			edits = append(edits, m.edits...)
		}
	}
	return edits
}

// edit puts texts before and after a stretch of a file, or replaces the
// stretch.
type edit struct {
	start, end    int
	before, after string
	replace       bool // by before
	innermost     bool // of those around the same stretch
}

// render applies edits, which are nested or apart. Edits around the same
// stretch are nested in their order.
func render(source []byte, edits []edit) []byte {
	type insertion struct {
		at    int
		opens bool
		other int // where the edit's other end is
		order int
		text  string
		skip  int
	}
	var all []insertion
	for i, e := range edits {
		if e.innermost {
			i -= len(edits)
		}
		if e.replace {
			all = append(all, insertion{at: e.start, opens: true, other: e.start, order: i, text: e.before, skip: e.end - e.start})
			continue
		}
		all = append(all, insertion{at: e.start, opens: true, other: e.end, order: i, text: e.before}, insertion{at: e.end, other: e.start, order: -i, text: e.after})
	}
	slices.SortStableFunc(all, func(a, b insertion) int {
		if a.at != b.at {
			return a.at - b.at
		}
		if a.opens != b.opens {
			if a.opens {
				return 1 // what ends here ends before the next begins
			}
			return -1
		}
		return cmp.Or(b.other-a.other, b.order-a.order)
	})
	var out []byte
	at := 0
	for _, in := range all {
		out = append(append(out, source[at:in.at]...), in.text...)
		at = in.at + in.skip
	}
	return append(out, source[at:]...)
}
