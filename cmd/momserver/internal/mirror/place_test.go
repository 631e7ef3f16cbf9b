//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"testing"

	"mom.internal/wire"
)

// TestOutsideByLink follows no link at the destination, whenever it takes the
// place of a directory.
func TestOutsideByLink(t *testing.T) {
	total := 1
	for n := 1; n <= total; n++ {
		p := newPair(t, Options{Delete: true, PackageFiles: 2, PackageBytes: 1000})
		outside := filepath.Join(filepath.Dir(p.dst), "outside")
		os.MkdirAll(filepath.Join(outside, "e"), 0o755)
		plant(t, outside, file("f", "kept"), file("e/g", "kept"))
		before := tell(t, outside)
		plant(t, p.src, dir("d"), file("d/f", "new"), dir("d/e"), file("d/e/g", "new"), file("z", "z"))
		os.Mkdir(p.dst, 0o755)
		plant(t, p.dst, file("d/f", "old"), file("d/e/g", "old"), file("d/e/gone", "x"))
		ctx := at(t, n, func() {
			os.Rename(filepath.Join(p.dst, "d"), filepath.Join(filepath.Dir(p.dst), "moved"))
			os.Symlink("../outside", filepath.Join(p.dst, "d"))
		})
		m, err := New(p.srv, p.src, p.dst, p.opts)
		if err != nil {
			t.Fatal(err)
		}
		m.Run(ctx)
		total = ctx.n
		compare(t, before, tell(t, outside), true)
		if t.Failed() {
			t.Fatalf("replaced at moment %d of %d", n, total)
		}
	}
	if total < 10 {
		t.Errorf("only %d moments", total)
	}
}

// TestDirectoryInPlace: the destination has a full directory where the source
// has a file or a link. With Delete it is replaced, and otherwise it stays and
// the run fails.
func TestDirectoryInPlace(t *testing.T) {
	for _, source := range []item{file("x", "file"), link("x", "link")} {
		p := newPair(t, Options{})
		plant(t, p.src, file("a", "a"), source)
		os.Mkdir(p.dst, 0o755)
		plant(t, p.dst, dir("x").with(0o500), dir("x/y").with(0o500), file("x/y/z", "old"))
		before := tell(t, p.dst)
		_, events, _ := p.run(t.Context())
		wantFailure(t, events, wire.ExportingError, "x", "a directory that is not empty is in its place; -delete would replace it")
		compare(t, before, tell(t, p.dst), false)

		p.opts.Delete = true
		p.mirrored()
		p.upToDate()
	}
}

// TestHardLinks mirrors hard links as files of their own.
func TestHardLinks(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("a", "shared"))
	if err := os.Link(filepath.Join(p.src, "a"), filepath.Join(p.src, "b")); err != nil {
		t.Fatal(err)
	}
	p.mirrored()
	// A hard link of the destination keeps its content when the file is replaced.
	outside := filepath.Join(filepath.Dir(p.dst), "outside")
	if err := os.Link(filepath.Join(p.dst, "a"), outside); err != nil {
		t.Fatal(err)
	}
	plant(t, p.src, file("a", "changed"))
	p.mirrored()
	if data, _ := os.ReadFile(outside); string(data) != "shared" {
		t.Errorf("a file that shared its content with the destination became %q", data)
	}
}
