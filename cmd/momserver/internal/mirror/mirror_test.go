//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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

// TestDeletesFrom finds pairs of which one would delete the source of the
// other.
func TestDeletesFrom(t *testing.T) {
	root := t.TempDir()
	make := func(src, dst string, del bool) *Mirror {
		m, err := New(nil, filepath.Join(root, src), filepath.Join(root, dst), Options{Delete: del})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, tc := range []struct {
		one, other *Mirror
		want       bool
	}{
		{make("z1", "z2", true), make("z2/x", "z3", true), true},
		{make("z1", "z2", true), make("z2", "z3", true), true},
		{make("z1", "z2/in", true), make("z2", "z3", true), true},
		{make("z1", "z2", false), make("z2/x", "z3", false), false},
		{make("z1", "z2", true), make("z4", "z3", true), false},
		{make("z1", "z2", true), make("z1", "z3", true), false},
	} {
		if got := tc.one.DeletesFrom(tc.other); got != tc.want {
			t.Errorf("%s to %s, beside a source %s: %v", tc.one.src, tc.one.dst, tc.other.src, got)
		}
	}
}

// TestSpoolInDestination refuses a spool that the mirror itself would delete, or that
// is not there.
func TestSpoolInDestination(t *testing.T) {
	p := newPair(t, Options{})
	spool := filepath.Join(p.dst, "spool")
	if err := os.MkdirAll(spool, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		spool  string
		delete bool
		text   string
	}{
		{spool, true, "is in the destination"}, {spool, false, ""}, {p.dst, false, "is in the destination"},
		{filepath.Join(p.dst, "none"), false, "is not a directory"}, {filepath.Dir(p.dst), true, ""},
	} {
		_, err := New(p.srv, p.src, p.dst, Options{Delete: tc.delete, Spool: tc.spool})
		if (err == nil) != (tc.text == "") || err != nil && !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s, delete %t: %v", tc.spool, tc.delete, err)
		}
	}
}
