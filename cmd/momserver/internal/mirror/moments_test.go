//go:build unix

package mirror

import (
	"context"
	"os"
	"strings"
	"testing"
)

// moments is a context in which a test can act at every moment at which a run
// checks the context. A run does so before each directory, entry and piece of a
// file that it reads, sends or unpacks.
type moments struct {
	context.Context
	n  int
	do func(n int)
}

func (m *moments) Err() error {
	m.n++
	if m.do != nil {
		m.do(m.n)
	}
	return m.Context.Err()
}

// at returns a context that calls do at the nth moment.
func at(t testing.TB, n int, do func()) *moments {
	return &moments{Context: t.Context(), do: func(now int) {
		if now == n {
			do()
		}
	}}
}

// oldSite and newSite are two states of one source. Their contents differ in
// length and letters, so that a mixture shows.
var (
	oldSite = []item{
		dir("d"), file("d/same", "same"), file("d/changes", strings.Repeat("o", 70_000)), file("link now", "o"), link("to file", "x"),
		dir("goes"), file("goes/f", "o"), file("to dir", "o"), dir("to file too"), file("to file too/f", "o"),
	}
	newSite = []item{
		dir("d").with(0o555), file("d/same", "same"), file("d/changes", strings.Repeat("n", 80_000)).at(longAgo.Add(1)), link("link now", "n"), file("to file", "n"),
		dir("new"), dir("new/e"), file("new/e/f", strings.Repeat("n", 40_000)), file("new/g", "n"), dir("to dir"), file("to dir/f", "n"), file("to file too", "n"),
	}
)

// onTheWay returns a pair with oldSite at its destination and newSite at its
// source.
func onTheWay(t testing.TB, opts Options) *pair {
	t.Helper()
	p := newPair(t, opts)
	plant(t, p.src, newSite...)
	if err := os.Mkdir(p.dst, 0o755); err != nil {
		t.Fatal(err)
	}
	plant(t, p.dst, oldSite...)
	return p
}

// wholeOnly checks that a destination has only entries of the trees, each of
// them whole. Modes and times of directories may differ, because they are set
// last.
func wholeOnly(t testing.TB, got map[string]string, trees ...map[string]string) {
	t.Helper()
	for p, about := range got {
		if strings.HasPrefix(p, spoolPrefix) || strings.HasPrefix(about, "d") {
			continue
		}
		whole := false
		for _, tree := range trees {
			whole = whole || tree[p] == about
		}
		if !whole {
			t.Errorf("%q is %q: neither old nor new", p, about)
		}
	}
}
