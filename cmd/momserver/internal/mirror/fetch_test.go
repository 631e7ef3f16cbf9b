//go:build unix

package mirror

import (
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mom.internal/wire"
)

// TestChanging changes the source in many ways at every moment of a run. The
// destination has only whole files, and the next run completes it.
func TestChanging(t *testing.T) {
	tall := func(letter string, n int) string { return strings.Repeat(letter, n) }
	const size = 2*bufferSize + 1 // several pieces
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
		{"rewritten, and its time set back", func(p *pair) {
			over(p, tall("b", size))
			os.Chtimes(filepath.Join(p.src, "d/f"), longAgo, longAgo)
		}},
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
				p := newPair(t, Options{Delete: true, PackageFiles: 4, PackageBytes: 2 * size})
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

// TestAlwaysChanging mirrors a file that changes whenever it is read as it was
// read last, with a warning. That does not keep others from being deleted.
func TestAlwaysChanging(t *testing.T) {
	for name, change := range map[string]func(f *os.File, n int){
		"grows":     func(f *os.File, n int) { f.WriteAt([]byte("more"), 90_000+int64(n)*4) },
		"is edited": func(f *os.File, n int) { f.WriteAt([]byte("new"), int64(n)*3) },
		"shrinks":   func(f *os.File, n int) { f.Truncate(90_000 - int64(n)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, Options{Delete: true})
			plant(t, p.src, file("f", text(90_000)), file("g", "g"))
			os.Mkdir(p.dst, 0o755)
			plant(t, p.dst, file("f", "old"), file("gone", "x"))
			f, err := os.OpenFile(filepath.Join(p.src, "f"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			result, events, err := p.run(&moments{Context: t.Context(), do: func(n int) {
				change(f, n)
				now := time.Now().Add(time.Duration(n) * -time.Hour) // a different time, and not a recent one
				os.Chtimes(f.Name(), now, now)
			}})
			if err != nil || !result.Clean() {
				t.Errorf("%+v, %v", result, err)
			}
			wantWarning(t, events, "f", "it is being written to all the time")
			if end := events[len(events)-1]; end.Data.Progress.Retries != attempts-1 {
				t.Errorf("%d retries", end.Data.Progress.Retries)
			}
			if got := tell(t, p.dst); len(got) != 2 || strings.Contains(got["f"], " 3 bytes") {
				t.Error(got)
			}
			p.mirrored()
		})
	}
}

// TestPrefixAgain: the file that was mirrored while it changed is compared by its
// content in the next run, even if its size and time are the same.
func TestPrefixAgain(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", text(90_000)))
	name := filepath.Join(p.src, "f")
	fetched := 0
	p.run(&moments{Context: t.Context(), do: func(n int) {
		if found, _ := filepath.Glob(filepath.Join(p.dst, spoolPrefix+"*", "*")); len(found) > 0 {
			fetched++
			now := longAgo.Add(time.Duration(fetched) * time.Hour)
			os.Chtimes(name, now, now)
		}
	}})
	info, err := os.Stat(filepath.Join(p.dst, "f"))
	if err != nil {
		t.Fatal(err)
	}
	plant(t, p.src, file("f", strings.Repeat("x", 90_000)).at(info.ModTime()))
	p.mirrored()
}

// TestDamaged refuses a file that was damaged or cut on its way, at any moment
// before it was compared.
func TestDamaged(t *testing.T) {
	for text, do := range map[string]func(f *os.File){
		"other bytes arrived than were sent": func(f *os.File) { f.WriteAt([]byte("~"), 5) },
		"bytes of 99000":                     func(f *os.File) { f.Truncate(90_000) },
	} {
		p := newPair(t, Options{})
		plant(t, p.src, file("f", strings.Repeat("f", 99_000)))
		_, events, err := p.run(&moments{Context: t.Context(), do: func(int) { inSpool(p.dst, do) }})
		if err == nil {
			t.Error("no error")
		}
		wantFailure(t, events, wire.TransferringError, "f", text)
		if got := tell(t, p.dst); len(got) > 0 {
			t.Error(got)
		}
		p.mirrored()
	}
}

// inSpool calls do with each file that has arrived.
func inSpool(dst string, do func(*os.File)) {
	found, _ := filepath.Glob(filepath.Join(dst, spoolPrefix+"*", "*"))
	for _, name := range found {
		if f, err := os.OpenFile(name, os.O_RDWR, 0); err == nil {
			do(f)
			f.Close()
		}
	}
}

// damage changes the first byte of each file that has arrived and is not empty.
func damage(dst string) {
	inSpool(dst, func(f *os.File) {
		if info, err := f.Stat(); err == nil && info.Size() > 0 {
			f.WriteAt([]byte("~"), 0)
		}
	})
}

// TestDigest is the same for zeros and holes, however the bytes are divided, and
// another one if a byte or its place is another.
func TestDigest(t *testing.T) {
	r := &run{seed: maphash.MakeSeed()}
	content := make([]byte, 5*digestUnit+100)
	copy(content[digestUnit-3:], "across two units")
	copy(content[3*digestUnit+7:], "within one")
	sum := func(content []byte, step int, holes bool) uint64 {
		d := r.newDigest()
		for at := 0; at < len(content); at += step {
			part := content[at:min(at+step, len(content))]
			if holes && strings.Trim(string(part), "\x00") == "" {
				continue
			}
			d.add(part, int64(at))
		}
		return d.sum()
	}
	want := sum(content, len(content), false)
	for _, step := range []int{1, 100, digestUnit - 1, digestUnit, digestUnit + 1, 3 * digestUnit} {
		for _, holes := range []bool{false, true} {
			if got := sum(content, step, holes); got != want {
				t.Errorf("in steps of %d, holes %v: %x; want %x", step, holes, got, want)
			}
		}
	}
	moved := slices.Concat(make([]byte, digestUnit), content[:len(content)-digestUnit])
	other := slices.Clone(content)
	other[3*digestUnit+7] ^= 1
	for _, content := range [][]byte{moved, other} {
		if sum(content, 100, false) == want {
			t.Error("other bytes have the same digest")
		}
	}
}

// TestFreshFile waits before it reads a file that has just changed, until a
// further change would show in the time.
func TestFreshFile(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", "x").at(time.Now()), file("future", "x").at(time.Now().Add(time.Hour)))
	events := p.mirrored()
	if end := events[len(events)-1].Data.Progress; end.Retries > 0 || end.Warnings > 0 {
		t.Errorf("it was not read again, and has not changed: %+v", end)
	}
	if info, err := os.Stat(filepath.Join(p.src, "f")); err != nil || time.Since(info.ModTime()) < tick {
		t.Error("the file was read while a change of it would not show")
	}
}
