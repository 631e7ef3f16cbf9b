package mirror

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mom.internal/wire"
)

// Tests in this file need root and the programs of other file systems. Debian has
// them as exfat-fuse, exfatprogs and e2fsprogs.

// image makes a file system in a file and mounts it at dir until the test ends.
func image(t *testing.T, dir string, make, mount []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(file)
	if err == nil {
		err = errors.Join(f.Truncate(16<<20), f.Close())
	}
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	for _, args := range [][]string{append(make, file), append(mount, file, dir)} {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skip(err)
		}
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// exFAT has no modes and no links, keeps times to the second, and ignores case.
func exFAT(t *testing.T, dir string) {
	t.Helper()
	image(t, dir, []string{"mkfs.exfat"}, []string{"mount", "-t", "exfat-fuse", "-o", "loop"})
}

// TestWithoutAttributes mirrors to a file system that keeps neither modes nor
// links nor the whole time. The content is there, each lack is told once, and no
// later run copies anything, in this process or another.
func TestWithoutAttributes(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	exFAT(t, p.dst)
	plant(t, p.src, file("f", text(5000)).with(0o600), dir("d").with(0o700), file("d/g", "g").at(longAgo.Add(time.Minute)), link("l", "f"), file("script", "#!").with(0o755))
	result, events, err := p.run(t.Context())
	if err != nil || !result.Clean() {
		t.Fatalf("%+v, %v", result, err)
	}
	for _, text := range []string{"does not keep every time", "does not keep every mode", "keeps no symbolic links"} {
		told := 0
		for _, e := range events {
			for _, entry := range e.Data.Status.Log {
				if strings.Contains(entry.Message, text) && entry.Severity == wire.SeverityWarning {
					told++
				}
			}
		}
		if told != 1 {
			t.Errorf("%q is told %d times", text, told)
		}
	}
	content := func() {
		t.Helper()
		for name, want := range map[string]string{"f": text(5000), "d/g": "g", "script": "#!"} {
			if got, err := os.ReadFile(filepath.Join(p.dst, name)); string(got) != want {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
	}
	content()
	p.upToDate()
	p.upToDate()
	if err := os.Chtimes(filepath.Join(p.dst, "f"), longAgo, longAgo.Add(time.Hour)); err != nil { // another program has changed it
		t.Fatal(err)
	}
	if result, _, err := p.run(t.Context()); err != nil || result.Files != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	content()
	p.upToDate()
}

// TestNamesFallTogether mirrors names that differ only in case to a file system
// that ignores case: the second is an error, in each run. An entry that is renamed
// by case alone gets its new name.
func TestNamesFallTogether(t *testing.T) {
	p := newPair(t, Options{Delete: true, ContinueOnError: true})
	exFAT(t, p.dst)
	plant(t, p.src, file("README", "first"), file("readme", "second"), file("Dir/x", "first"), file("dir/y", "second"), file("alone", "a"))
	for range 3 {
		result, events, err := p.run(t.Context())
		if err != nil || result.Skipped != 3 {
			t.Errorf("%+v, %v", result, err)
		}
		wantLeftOut(t, events, "readme", "cannot tell its name from that of README")
		wantLeftOut(t, events, "dir", "cannot tell its name from that of Dir")
		wantLeftOut(t, events, "dir/y", "cannot tell its name from that of Dir")
		p.names(t, ".", "Dir", "README", "alone")
		p.names(t, "Dir", "x")
		if got, err := os.ReadFile(filepath.Join(p.dst, "README")); string(got) != "first" {
			t.Errorf("%q, %v", got, err)
		}
	}
	os.Remove(filepath.Join(p.src, "README"))
	os.RemoveAll(filepath.Join(p.src, "Dir"))
	os.Rename(filepath.Join(p.src, "alone"), filepath.Join(p.src, "ALONE"))
	if result, _, err := p.run(t.Context()); err != nil || !result.Clean() {
		t.Errorf("%+v, %v", result, err)
	}
	p.names(t, ".", "ALONE", "dir", "readme")
	p.names(t, "dir", "y")
	if got, err := os.ReadFile(filepath.Join(p.dst, "readme")); string(got) != "second" {
		t.Errorf("%q, %v", got, err)
	}
	p.upToDate()
}

// names checks the names in a directory of the destination.
func (p *pair) names(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.dst, dir))
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s has %q, %v; want %q", dir, got, err, want)
	}
}

// TestTimeGranularity copies nothing again because the destination keeps times to
// the second.
func TestTimeGranularity(t *testing.T) {
	p := newPair(t, Options{})
	image(t, p.dst, []string{"mkfs.ext2", "-q", "-I", "128"}, []string{"mount", "-o", "loop"})
	plant(t, p.src, file("f", "x"), dir("d"), file("d/g", "y"))
	p.opts.Exclude = func(p string, _ bool) bool { return p == lostFound }
	if result, _, err := p.run(t.Context()); err != nil || !result.Clean() {
		t.Fatalf("%+v, %v", result, err)
	}
	p.upToDate()
	p.upToDate()
}

// TestLostFound leaves out lost+found at the top of a file system, which another
// user may not read, and mirrors a directory of that name elsewhere.
func TestLostFound(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	for _, dir := range []string{p.src, p.dst} {
		image(t, dir, []string{"mkfs.ext4", "-q"}, []string{"mount", "-o", "loop"})
	}
	plant(t, p.src, file("f", "x"), file("sub/lost+found/g", "y"))
	os.WriteFile(filepath.Join(p.src, lostFound, "secret"), nil, 0o600)
	os.WriteFile(filepath.Join(p.dst, lostFound, "own"), nil, 0o600)
	if result, _, err := p.run(t.Context()); err != nil || !result.Clean() || result.Deleted > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	p.names(t, lostFound, "own")
	p.names(t, "sub/lost+found", "g")
	p.upToDate()
}

// TestAllTimes keeps times of all years that the file system can hold.
func TestAllTimes(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("this system counts the seconds of files in 32 bits")
	}
	p := newPair(t, Options{})
	for _, dir := range []string{p.src, p.dst} {
		mount(t, dir) // tmpfs counts seconds in 64 bits
	}
	for _, year := range []int{1, 1601, 1677, 1678, 1901, 1970, 2038, 2262, 2263, 2400, 9999} {
		when := time.Date(year, 1, 2, 3, 4, 5, 6, time.UTC)
		for _, name := range []string{"f" + when.Format("2006"), "d" + when.Format("2006")} {
			full := filepath.Join(p.src, name)
			if name[0] == 'd' {
				os.Mkdir(full, 0o755)
			} else if err := os.WriteFile(full, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(full)
			if err == nil {
				err = errors.Join(setTime(f, stampOf(when)), f.Close())
			}
			if info, serr := os.Stat(full); err != nil || serr != nil || !info.ModTime().Equal(when) {
				t.Fatalf("%s: %v, %v", when, err, info.ModTime())
			}
		}
	}
	p.mirrored()
	p.upToDate()
}

// TestHoles mirrors a file with holes, and stores no more than the source does.
func TestHoles(t *testing.T) {
	p := newPair(t, Options{})
	name := filepath.Join(p.src, "f")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{100, 3_000_001, 90_000_000} {
		f.WriteAt([]byte(text(5000)), at)
	}
	f.Truncate(100_000_001)
	f.Close()
	plant(t, p.src, file("zeros", strings.Repeat("\x00", 500_000)))
	p.mirrored()
	p.upToDate()
	stored := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return storedOf(info)
	}
	if got, want := stored(filepath.Join(p.dst, "f")), stored(name); got > want+64<<10 {
		t.Errorf("%d bytes are stored, of the source %d", got, want)
	}
}

// TestNotKept warns once of what is never mirrored.
func TestNotKept(t *testing.T) {
	p := newPair(t, Options{PackageFiles: 10})
	plant(t, p.src, file("a", "a"), file("b", "b"), file("c", "c"))
	os.Link(filepath.Join(p.src, "a"), filepath.Join(p.src, "a2"))
	if err := syscall.Setxattr(filepath.Join(p.src, "b"), "user.colour", []byte("red"), 0); err != nil {
		t.Skip(err)
	}
	if err := os.Chown(filepath.Join(p.src, "c"), 1234, 1234); err != nil && !errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	}
	_, events, err := p.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantWarning(t, events, "a", "several names (hard links)")
	wantWarning(t, events, "b", "extended attributes")
	if os.Geteuid() == 0 {
		wantWarning(t, events, "c", "owners and groups are not mirrored")
	}
	for _, name := range []string{"a", "b", "c"} {
		plant(t, p.src, file(name, "again"))
		os.Link(filepath.Join(p.src, name), filepath.Join(p.src, name+"3"))
		syscall.Setxattr(filepath.Join(p.src, name), "user.colour", []byte("red"), 0)
	}
	_, events, _ = p.run(t.Context())
	for _, e := range events {
		for _, entry := range e.Data.Status.Log {
			if strings.Contains(entry.Message, "not mirrored") || strings.Contains(entry.Message, "hard links") {
				t.Errorf("told again: %s", entry.Message)
			}
		}
	}
}
