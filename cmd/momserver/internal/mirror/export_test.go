//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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
