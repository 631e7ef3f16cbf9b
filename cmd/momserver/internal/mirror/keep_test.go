//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLookalikeSpool mirrors a file whose name only begins as that of a spool,
// and does not delete it.
func TestLookalikeSpool(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, dir(".momspool-notes"), file(".momspool-notes/x", "hi"), file(".momspool-", "y"))
	os.MkdirAll(filepath.Join(p.dst, ".momspool-mine"), 0o755)
	plant(t, p.dst, file(".momspool-mine/p", "precious"))
	if _, _, err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := tell(t, p.dst)
	if got[".momspool-notes/x"] == "" || got[".momspool-"] == "" || got[".momspool-mine/p"] == "" {
		t.Error(got)
	}
}

// TestNoDeleteOfWhatWasRenamed: if a file was left out, Delete keeps other
// files, one of which may be that file under its old name.
func TestNoDeleteOfWhatWasRenamed(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("a", text(90_000)))
	p.mirrored()
	if err := os.Rename(filepath.Join(p.src, "a"), filepath.Join(p.src, "b")); err != nil {
		t.Fatal(err)
	}
	_, events, err := p.run(&moments{Context: t.Context(), do: func(n int) { // so that the file changes all the time
		now := time.Now().Add(time.Duration(n) * -time.Hour)
		os.Chtimes(filepath.Join(p.src, "b"), now, now)
	}})
	if got := tell(t, p.dst); err != nil || got["a"] == "" {
		t.Errorf("%v: deleted, and not mirrored under the new name: %v", err, got)
	}
	wantWarning(t, events, "", "nothing is deleted")
	p.mirrored()
	if got := tell(t, p.dst); got["a"] != "" || got["b"] == "" {
		t.Error(got)
	}
}

// TestEmptySource makes an empty destination.
func TestEmptySource(t *testing.T) {
	p := newPair(t, Options{})
	os.MkdirAll(p.src, 0o755)
	p.dst = filepath.Join(p.dst, "fresh")
	p.mirrored()
	if names, err := os.ReadDir(p.dst); err != nil || len(names) > 0 {
		t.Error(names, err)
	}
}

// TestSpoolsBelow leaves out the spool of another destination inside the source.
func TestSpoolsBelow(t *testing.T) {
	p := newPair(t, Options{})
	spool := "sub/" + spoolPrefix + "7b0d5b1e-6d2f-4b1c-9a55-0c6f0a2f3a11"
	plant(t, p.src, dir("sub"), dir(spool), file(spool+"/package-0001.tar", "half"), file("sub/x", "x"))
	if _, _, err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name := range tell(t, p.dst) {
		if strings.Contains(name, spoolPrefix) {
			t.Errorf("mirrored %s", name)
		}
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
