//go:build unix

package mirror

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"mom.internal/wire"
)

// TestPackages bounds packages by count and bytes, in the order of the tree,
// and gives a larger file a package of its own.
func TestPackages(t *testing.T) {
	p := newPair(t, Options{PackageFiles: 3, PackageBytes: 1000})
	plant(t, p.src, file("a", text(400)), file("b", text(600)), file("c", text(1)), // after b the package is full
		file("d.html", text(1001)), file("e", ""), file("f.HTM", text(1)), dir("g"), link("h", "x"), file("i", text(1000)), file("j", text(1001)))
	events := p.mirrored()
	var got []string
	var bytes int64
	for _, e := range in(events, wire.PackageInitialized) {
		h, b := e.Data.Header, e.Data.Body
		got = append(got, fmt.Sprintf("%d: %d files, %d pages", h.Number, b.Files, b.Pages))
		bytes += h.FileSize
	}
	want := []string{"1: 2 files, 0 pages", "2: 1 files, 0 pages", "3: 1 files, 1 pages", "4: 2 files, 1 pages", "5: 2 files, 0 pages", "6: 1 files, 0 pages"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for _, e := range in(events, wire.PackageInitialized) {
		if p := e.Data.Progress; p.PackagesTotal != 6 || p.FilesTotal != 9 || p.BytesTotal != bytes {
			t.Errorf("%+v was announced; the run had %d bytes", p, bytes)
		}
	}
}

// TestLargeAfterEmpty gives a large file a package of its own, also if the package
// before it has entries but no bytes.
func TestLargeAfterEmpty(t *testing.T) {
	p := newPair(t, Options{PackageFiles: 9, PackageBytes: 8})
	plant(t, p.src, dir("a"), file("b", ""), file("c", text(55)), file("d", ""))
	if got := in(p.mirrored(), wire.PackageInitialized); len(got) != 3 || got[1].Data.Header.FileSize != 55 || got[1].Data.Body.Files != 1 {
		t.Errorf("%+v", got)
	}
}

// TestDivide checks the bounds of random divisions.
func TestDivide(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		p := newPair(t, Options{PackageFiles: 1 + random.IntN(5), PackageBytes: int64(1 + random.IntN(500))})
		for n := range random.IntN(12) {
			plant(t, p.src, file(fmt.Sprint(n), text(random.IntN(600))))
		}
		m, _ := New(p.srv, p.src, p.dst, p.opts)
		r := m.newRun()
		defer r.close()
		if err := r.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.compare(t.Context(), func() bool { return false }); err != nil {
			t.Fatal(err)
		}
		all := 0
		for _, b := range r.plan.batches {
			var bytes int64
			for _, e := range b {
				bytes += e.size()
			}
			all += len(b)
			if len(b) == 0 || len(b) > p.opts.PackageFiles || bytes > p.opts.PackageBytes && len(b) > 1 {
				t.Errorf("seed %d: a package of %d entries, %d bytes, with %+v", seed, len(b), bytes, p.opts)
			}
		}
		if all != r.plan.entries {
			t.Errorf("seed %d: %d entries of %d", seed, all, r.plan.entries)
		}
	}
}
