//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

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
