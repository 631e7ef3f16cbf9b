//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mom.internal/wire"
)

// TestImpossible ends a run that cannot begin with an ExportingError that names
// the directory.
func TestImpossible(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(p *pair)
		item    string
		text    string
	}{
		{"no source", func(p *pair) { os.Remove(p.src) }, "/site", "the source does not exist"},
		{"source is a file", func(p *pair) { os.Remove(p.src); os.WriteFile(p.src, nil, 0o600) }, "/site", "the source is not a directory"},
		{"destination is a file", func(p *pair) { os.WriteFile(p.dst, []byte("precious"), 0o600) }, "/staging", "the destination is not a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, going := range []bool{false, true} {
				p := newPair(t, Options{ContinueOnError: going, Delete: true})
				plant(t, p.src, file("f", "x"))
				os.RemoveAll(filepath.Join(p.src, "f"))
				tc.prepare(p)
				_, events, err := p.run(t.Context())
				wantFailure(t, events, wire.ExportingError, tc.item, tc.text)
				if err == nil || !strings.Contains(err.Error(), tc.item) {
					t.Error(err)
				}
			}
		})
	}
	p := newPair(t, Options{ContinueOnError: true})
	plant(t, p.src, file("f", "x"))
	os.WriteFile(p.dst, nil, 0o600)
	p.dst = filepath.Join(p.dst, "below a file")
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, "/below a file", "not a directory")
}

// TestPairs refuses pairs that would mirror or delete themselves.
func TestPairs(t *testing.T) {
	p := newPair(t, Options{})
	alias := filepath.Join(filepath.Dir(p.src), "alias")
	if err := os.Symlink(p.src, alias); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		src, dst string
		delete   bool
		text     string // "" where it may be
	}{
		{p.src, p.src, false, "the same directory"},
		{p.src, alias, false, "the same directory"},
		{p.src, p.src + "/../site/", false, "the same directory"},
		{p.src, filepath.Dir(p.src), true, "-delete would delete it"},
		{alias, filepath.Dir(p.src), true, "-delete would delete it"},
		{p.src, filepath.Dir(p.src), false, ""},
		{p.src, filepath.Join(alias, "in it"), true, ""},
		{p.src, p.src + " too", true, ""},
	} {
		_, err := New(p.srv, tc.src, tc.dst, Options{Delete: tc.delete})
		if (err == nil) != (tc.text == "") || err != nil && !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s to %s, delete %t: %v", tc.src, tc.dst, tc.delete, err)
		}
	}
}

// TestNested mirrors into a directory of the source without mirroring the
// mirror, and from a directory of the destination.
func TestNested(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("f", "x"), dir("d"), file("d/g", "y"))
	want := tell(t, p.src)
	p.dst = filepath.Join(p.src, "d", "copy")
	for range 3 {
		_, events, err := p.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantWarning(t, events, p.dst, "lies inside the source")
		got := tell(t, p.dst)
		if len(got) != 3 || got["d/g"] != want["d/g"] || got["f"] != want["f"] {
			t.Fatal(got)
		}
	}
	p = newPair(t, Options{})
	plant(t, p.src, file("f", "x"), dir("d"), file("d/g", "y"))
	want = tell(t, p.src)
	p.dst = filepath.Dir(p.src)
	for range 2 {
		if result, _, err := p.run(t.Context()); err != nil || !result.Clean() {
			t.Fatal(result, err)
		}
		compare(t, want, tell(t, p.src), true)
		compare(t, want, tell(t, p.dst), false)
	}
}

// TestContinueOnError goes on after a package that cannot be imported. The rest
// is mirrored, nothing is deleted, and the run completes with errors.
func TestContinueOnError(t *testing.T) {
	for _, going := range []bool{false, true} {
		p := newPair(t, Options{ContinueOnError: going, PackageFiles: 1, PackageBytes: 1000})
		plant(t, p.src, file("a", "a"), file("b", "b"), file("c", "c"))
		os.Mkdir(p.dst, 0o755)
		plant(t, p.dst, dir("b"), file("b/in the way", "x"), file("gone", "x"))
		result, events, err := p.run(t.Context())
		failed := in(events, wire.ImportingError)
		if len(failed) != 1 {
			t.Fatal(events)
		}
		wantError(t, failed[0], wire.ImportingError, "b", "a directory that is not empty")
		got := tell(t, p.dst)
		if (got["c"] != "") != going || got["a"] == "" || got["gone"] == "" || got["b/in the way"] == "" {
			t.Error(got)
		}
		if !going {
			if err == nil {
				t.Error("no error")
			}
			continue
		}
		if end := events[len(events)-1]; err != nil || result.Clean() || result.Packages != 2 || result.Failed != 1 || !end.CompletedWithErrors() {
			t.Error(err, result, end)
		}
	}
}

// TestNoDeleteAfterFailure deletes nothing after a package has failed, because
// an entry that is gone may be in that package under another name.
func TestNoDeleteAfterFailure(t *testing.T) {
	p := newPair(t, Options{ContinueOnError: true, Delete: true, PackageFiles: 1, PackageBytes: 1000})
	plant(t, p.src, file("renamed", text(500)), file("z", "z"))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("before", text(500)))
	_, events, err := p.run(&moments{Context: t.Context(), do: func(int) { damage(p.dst, "package-0001.tar") }})
	if err != nil {
		t.Fatal(err)
	}
	wantWarning(t, events, "", "nothing is deleted")
	if got := tell(t, p.dst); got["before"] == "" || got["renamed"] != "" || got["z"] == "" {
		t.Error(got)
	}
	p.mirrored()
}

// damage changes the first byte of a package that has arrived.
func damage(dst, name string) {
	found, _ := filepath.Glob(filepath.Join(dst, spoolPrefix+"*", name))
	for _, name := range found {
		if f, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
			f.WriteAt([]byte("~"), 0)
			f.Close()
		}
	}
}

// TestDamaged refuses a package that was damaged or cut on the way.
func TestDamaged(t *testing.T) {
	for _, tc := range []struct {
		text string
		do   func(dst string)
	}{
		{"other bytes arrived than were sent", func(dst string) { damage(dst, "*") }},
		{"bytes arrived of", func(dst string) {
			found, _ := filepath.Glob(filepath.Join(dst, spoolPrefix+"*", "*.tar"))
			for _, name := range found {
				if info, err := os.Stat(name); err == nil && info.Size() > 90_000 {
					os.Truncate(name, 90_000)
				}
			}
		}},
	} {
		p := newPair(t, Options{})
		plant(t, p.src, file("f", text(99_000)))
		_, events, err := p.run(&moments{Context: t.Context(), do: func(int) { tc.do(p.dst) }})
		if err == nil {
			t.Error("no error")
		}
		wantFailure(t, events, wire.ImportingError, "package-0001.tar", tc.text)
		if got := tell(t, p.dst); len(got) > 0 {
			t.Error(got)
		}
		p.mirrored()
	}
}

// TestSpoolUnwritable distinguishes a package that cannot be made from a file
// that cannot be read. ContinueOnError does not go on after the former.
func TestSpoolUnwritable(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "not there"))
	p := newPair(t, Options{ContinueOnError: true})
	plant(t, p.src, file("f", "x"))
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, "f", "cannot keep the package in "+os.Getenv("TMPDIR"))
}

// TestTaken refuses a second run at a destination, and keeps the spool of the
// first.
func TestTaken(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", text(99_000)))
	other := newPair(t, Options{ContinueOnError: true})
	plant(t, other.src, file("f", "other"))
	other.dst = p.dst
	tried := false
	result, _, err := p.run(&moments{Context: t.Context(), do: func(int) {
		if found, _ := filepath.Glob(filepath.Join(p.dst, spoolPrefix+"*")); tried || len(found) == 0 {
			return
		}
		tried = true
		m, err := New(other.srv, other.src, other.dst, other.opts)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := m.Run(t.Context()); err == nil {
			t.Error("two runs mirror to one destination")
		}
		events := other.events()
		wantError(t, events[len(events)-2], wire.TransferringError, "/staging", "another run mirrors")
		wantFailure(t, events, wire.ExportingError, "/staging", "another run mirrors")
	}})
	if err != nil || !result.Clean() || !tried {
		t.Error(result, err, tried)
	}
	compare(t, tell(t, p.src), tell(t, p.dst), true)
	other.mirrored() // the destination is free again
}

// TestLinkStays: if the package fails that would replace a link by a directory,
// the target of the link stays as it is.
func TestLinkStays(t *testing.T) {
	p := newPair(t, Options{ContinueOnError: true, PackageFiles: 2, PackageBytes: 1000})
	plant(t, p.src, dir("d").with(0o700), dir("d/e").with(0o700), file("z", "z"))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, dir("other").with(0o555), dir("other/e").with(0o555), link("d", "other"))
	before := tell(t, p.dst)
	result, _, err := p.run(&moments{Context: t.Context(), do: func(int) { damage(p.dst, "package-0001.tar") }})
	if err != nil || result.Failed != 1 {
		t.Error(err, result)
	}
	compare(t, before, tell(t, p.dst), false)
}

// TestDamagedAnywhere damages any byte of a package at any time, even after the
// package was checked. Either the run fails, or it has put in place what was
// sent.
func TestDamagedAnywhere(t *testing.T) {
	t.Parallel()
	const content = 70_000
	source := []item{file("a", strings.Repeat("a", content)), dir("d"), link("d/l", "../a"), file("d/z", "z")}
	offsets, step := []int64{124, 30_000, 72_500}, 3
	if slow() {
		offsets, step = []int64{0, 100, 124, 600, 1500, 2100, 30_000, 71_680, 72_500, 73_800, 76_000}, 1
	}
	for _, at := range offsets {
		for total, n := 1, 1; n <= total; n += step {
			p := newPair(t, Options{})
			plant(t, p.src, source...)
			now := tell(t, p.src)
			ctx := &moments{Context: t.Context(), do: func(moment int) {
				if moment == n {
					damageAt(p.dst, at)
				}
			}}
			_, events, err := p.run(ctx)
			total = ctx.n
			wholeOnly(t, tell(t, p.dst), now)
			if err != nil {
				if end := events[len(events)-1].Data.Status; end.State != wire.ImportingError {
					t.Errorf("it ends %v: %v", end.State, err)
				}
			}
			p.mirrored()
			if t.Failed() {
				t.Fatalf("damaged at byte %d at moment %d of %d", at, n, total)
			}
		}
	}
}

// damageAt changes a byte of a package that has arrived.
func damageAt(dst string, at int64) {
	found, _ := filepath.Glob(filepath.Join(dst, spoolPrefix+"*", "*.tar"))
	for _, name := range found {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		var b [1]byte
		if _, err := f.ReadAt(b[:], at); err == nil {
			f.WriteAt([]byte{b[0] ^ 1}, at)
		}
		f.Close()
	}
}
