//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mom.internal/wire"
)

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
