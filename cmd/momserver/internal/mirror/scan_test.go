//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mom.internal/wire"
)

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

// TestSkipped skips entries that are neither files, directories nor links, and
// keeps what the destination has under their names.
func TestSkipped(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("f", "x"))
	if err := syscall.Mkfifo(filepath.Join(p.src, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	t.Chdir(p.src) // the path of a socket must be short
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: "socket"}); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("fifo", "kept"))
	result, events, err := p.run(t.Context())
	if err != nil || !result.Clean() {
		t.Error(result, err)
	}
	wantWarning(t, events, "fifo", "neither file, directory nor link")
	wantWarning(t, events, "socket", "neither file, directory nor link")
	if got := tell(t, p.dst); len(got) != 2 || !strings.Contains(got["fifo"], "4 bytes") {
		t.Error(got)
	}
}

// TestExcluded neither mirrors nor deletes what is excluded, and keeps a directory
// in which there is something of it.
func TestExcluded(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	p.opts.Exclude = func(p string, dir bool) bool {
		return strings.HasSuffix(p, ".tmp") || p == "cache" && dir || p == "sub/cache" && dir
	}
	plant(t, p.src, file("f", "x"), file("a.tmp", "x"), file("cache/x", "x"), file("sub/cache", "a file"), file("d/b.tmp", "x"), file("d/g", "y"))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("b.tmp", "own"), file("cache/own", "own"), file("d/own.tmp", "own"), file("old/deep/own.tmp", "own"), file("old/deep/gone", "x"), file("old/gone", "x"), file("gone/too", "x"))
	want := tell(t, p.src)
	for _, left := range []string{"a.tmp", "cache/x", "d/b.tmp"} {
		delete(want, left)
	}
	before := tell(t, p.dst)
	for _, own := range []string{"b.tmp", "cache", "cache/own", "d/own.tmp", "old/deep/own.tmp"} {
		want[own] = before[own]
	}
	result, _, err := p.run(t.Context())
	if err != nil || !result.Clean() {
		t.Fatalf("%+v, %v", result, err)
	}
	got := tell(t, p.dst)
	for _, dir := range []string{"old", "old/deep"} { // whose times have changed
		want[dir] = got[dir]
	}
	compare(t, want, got, true)
	p.upToDate()

	plant(t, p.src, file("old", "a file now"))
	result, events, err := p.run(t.Context())
	if err == nil {
		t.Errorf("%+v", result)
	}
	wantFailure(t, events, wire.ExportingError, "old", "a directory with entries that are excluded")
}

// TestExcludedInPlace leaves an excluded entry alone that is in the place of an
// entry of another kind, which is not excluded.
func TestExcludedInPlace(t *testing.T) {
	for _, remove := range []bool{false, true} {
		p := newPair(t, Options{Delete: remove, ContinueOnError: true, Exclude: func(p string, dir bool) bool { return p == "x" && dir || p == "y" && !dir }})
		plant(t, p.src, file("x", "file"), file("y/f", "f"), file("z", "z"))
		if err := os.Mkdir(p.dst, 0o755); err != nil {
			t.Fatal(err)
		}
		plant(t, p.dst, dir("x"), file("y", "kept"))
		before := tell(t, p.dst)
		result, _, err := p.run(t.Context())
		got := tell(t, p.dst)
		if err != nil || result.Clean() || got["x"] != before["x"] || got["y"] != before["y"] || got["z"] == "" {
			t.Errorf("%v, %+v, %v", err, result, got)
		}
	}
}
