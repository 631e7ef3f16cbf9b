//go:build unix

package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mom.internal/wire"
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

// TestInterrupted stops a run at every moment. The destination has only whole
// files, the run ends with an error, and the next run completes it.
func TestInterrupted(t *testing.T) {
	for _, opts := range []Options{{Delete: true}, {Delete: true, ContinueOnError: true}} {
		t.Run(fmt.Sprintf("continue %t", opts.ContinueOnError), func(t *testing.T) {
			t.Parallel()
			p := onTheWay(t, opts)
			plant(t, p.src, dir("d").with(0o555)) // the last one, for the comparison
			old, now := tell(t, p.dst), tell(t, p.src)
			ctx := &moments{Context: t.Context()}
			if _, _, err := p.run(ctx); err != nil {
				t.Fatal(err)
			}
			total, states := ctx.n, make(map[wire.State]int)
			for n := 1; n <= total; n += 6 {
				openTree(p.dst)
				os.RemoveAll(p.dst)
				os.Mkdir(p.dst, 0o755)
				plant(t, p.dst, oldSite...)
				stopping, cancel := context.WithCancel(t.Context())
				ctx := &moments{Context: stopping, do: func(now int) {
					if now == n {
						cancel()
					}
				}}
				_, events, err := p.run(ctx)
				if !errors.Is(err, errInterrupted) {
					t.Fatalf("interrupted at moment %d of %d: %v", n, total, err)
				}
				end := events[len(events)-1]
				wantError(t, end, end.Data.Status.State, "", "interrupted")
				states[end.Data.Status.State]++
				wholeOnly(t, tell(t, p.dst), old, now)
				p.mirrored()
				if t.Failed() {
					t.Fatalf("interrupted at moment %d of %d", n, total)
				}
			}
			if states[wire.ExportingError] == 0 || !opts.ContinueOnError && (states[wire.TransferringError] == 0 || states[wire.ImportingError] == 0) {
				t.Errorf("the runs ended with %v", states)
			}
		})
	}
}

// TestInterruptedTransfer stops a run that waits for its bandwidth.
func TestInterruptedTransfer(t *testing.T) {
	p := newPair(t, Options{Bandwidth: 1000})
	plant(t, p.src, file("f", "x"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		m, _ := New(p.srv, p.src, p.dst, p.opts)
		_, err := m.Run(ctx)
		ended <- err
	}()
	for e := range p.client.Events(t.Context()) {
		if e.Data.Status.State == wire.Transferring {
			cancel()
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, errInterrupted) {
		t.Error(err)
	}
	wantFailure(t, p.events(), wire.TransferringError, "", "interrupted")
}

// TestChanging changes the source in many ways at every moment of a run. The
// destination has only whole files, and the next run completes it.
func TestChanging(t *testing.T) {
	tall := func(letter string, n int) string { return strings.Repeat(letter, n) }
	const size = 90_000 // larger than a piece
	source := []item{dir("d"), file("d/f", tall("a", size)), file("d/g", "g"), link("d/l", "f"), dir("d/e"), file("d/e/h", "h"), file("z", "z")}
	over := func(p *pair, content string) { // overwrites the file, as a log is
		f, err := os.OpenFile(filepath.Join(p.src, "d/f"), os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		f.WriteString(content)
	}
	for _, change := range []struct {
		name string
		do   func(p *pair)
	}{
		{"rewritten", func(p *pair) { over(p, tall("b", size)) }},
		{"grown", func(p *pair) { over(p, tall("b", size+40_000)) }},
		{"shrunk", func(p *pair) { os.Truncate(filepath.Join(p.src, "d/f"), 40_000); over(p, tall("b", 40_000)) }},
		{"replaced", func(p *pair) { plant(t, p.src, file("d/f", tall("b", size)).at(longAgo.Add(1))) }},
		{"file vanished", func(p *pair) { os.Remove(filepath.Join(p.src, "d/f")) }},
		{"directory vanished", func(p *pair) { os.RemoveAll(filepath.Join(p.src, "d")) }},
		{"file became a link", func(p *pair) { plant(t, p.src, link("d/f", "../z")) }},
		{"link became a file", func(p *pair) { plant(t, p.src, file("d/l", "l")) }},
		{"link points elsewhere", func(p *pair) { plant(t, p.src, link("d/l", "g")) }},
		{"file became a directory", func(p *pair) { os.Remove(filepath.Join(p.src, "d/f")); plant(t, p.src, dir("d/f")) }},
		{"directory became a file", func(p *pair) { os.RemoveAll(filepath.Join(p.src, "d")); plant(t, p.src, file("d", "d")) }},
		{"directory became a link out", func(p *pair) { os.RemoveAll(filepath.Join(p.src, "d")); plant(t, p.src, link("d", "/etc")) }},
	} {
		t.Run(change.name, func(t *testing.T) {
			t.Parallel()
			total := 1
			for n := 1; n <= total; n += 3 {
				p := newPair(t, Options{Delete: true})
				plant(t, p.src, source...)
				before := tell(t, p.src)
				ctx := at(t, n, func() { change.do(p) })
				result, events, err := p.run(ctx)
				total = max(total, min(ctx.n, 40))
				if err != nil {
					t.Errorf("the change ended the run: %v", err)
				}
				wholeOnly(t, tell(t, p.dst), before, tell(t, p.src))
				if change.name == "rewritten" && result.Skipped > 0 {
					t.Errorf("one change left the file out: %v", events)
				}
				p.mirrored()
				if t.Failed() {
					t.Fatalf("changed at moment %d of %d", n, total)
				}
			}
		})
	}
}

// TestAlwaysChanging leaves out a file that changes whenever it is read, with
// an error, and keeps the file of the destination.
func TestAlwaysChanging(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", text(90_000)), file("g", "g"))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("f", "old"))
	old := tell(t, p.dst)["f"]
	result, events, err := p.run(&moments{Context: t.Context(), do: func(n int) {
		now := time.Now().Add(time.Duration(n) * -time.Hour) // a different time, and not a recent one
		os.Chtimes(filepath.Join(p.src, "f"), now, now)
	}})
	if err != nil || result.Skipped != 1 || result.Clean() {
		t.Errorf("%+v, %v", result, err)
	}
	wantLeftOut(t, events, "f", "it changes while it is read")
	if got := tell(t, p.dst); got["f"] != old || got["g"] == "" {
		t.Error(got)
	}
	p.mirrored()
}

// TestFreshFile waits before it reads a file that has just changed, until a
// further change would show in the time.
func TestFreshFile(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", "x").at(time.Now()), file("future", "x").at(time.Now().Add(time.Hour)))
	p.mirrored()
	if info, err := os.Stat(filepath.Join(p.src, "f")); err != nil || time.Since(info.ModTime()) < tick {
		t.Error("the file was read while a change of it would not show")
	}
}
