package main

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hangs is the time after which a test counts as hanging. It is long, because
// the machine may be busy.
const hangs = 2 * time.Minute

// sites makes n sources with a page each, and returns pairs of paths.
func sites(t *testing.T, n int) []string {
	t.Helper()
	top := t.TempDir()
	var paths []string
	for i := range n {
		src := filepath.Join(top, "site"+strconv.Itoa(i))
		if err := os.Mkdir(src, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(src, "index.html"), []byte("<h1>"+src), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, src, filepath.Join(top, "staging"+strconv.Itoa(i)))
	}
	return paths
}

// once runs the command with -once at a free port.
func once(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	code, out, stderr := command(t, append([]string{"-addr", "127.0.0.1:0", "-once"}, args...)...)
	if out != "" {
		t.Errorf("stdout has %q", out)
	}
	return code, stderr
}

// mirrored reports whether both paths of a pair have the same page.
func mirrored(src, dst string) bool {
	want, err := os.ReadFile(filepath.Join(src, "index.html"))
	got, gerr := os.ReadFile(filepath.Join(dst, "index.html"))
	return err == nil && gerr == nil && string(want) == string(got)
}

// TestOnce exits with 0 when all pairs are mirrored, and again when there is
// nothing to do.
func TestOnce(t *testing.T) {
	paths := sites(t, 2)
	for _, want := range []string{"msg=mirrored", "nothing to mirror"} {
		code, stderr := once(t, paths...)
		if code != exitOK || strings.Count(stderr, want) != 2 {
			t.Errorf("exit %d\n%s", code, stderr)
		}
		if !mirrored(paths[0], paths[1]) || !mirrored(paths[2], paths[3]) {
			t.Error("the pairs are not mirrored")
		}
	}
}

// TestOnceFails exits with 1 if one of the pairs fails. The other is mirrored.
func TestOnceFails(t *testing.T) {
	paths := sites(t, 2)
	if err := os.WriteFile(paths[3], []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stderr := once(t, paths...)
	if code != exitFailed || !strings.Contains(stderr, "mirroring failed") || !strings.Contains(stderr, paths[3]+": the destination is not a directory") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if !mirrored(paths[0], paths[1]) {
		t.Error("the other pair is not mirrored")
	}
	if code, stderr := once(t, filepath.Join(paths[0], "none"), paths[1]); code != exitFailed || !strings.Contains(stderr, "the source does not exist") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// TestOnceWithErrors exits with 1 if -continue-on-error has gone on after an
// error.
func TestOnceWithErrors(t *testing.T) {
	paths := sites(t, 1)
	if err := os.MkdirAll(filepath.Join(paths[1], "another", "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(paths[0], "another"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code, stderr := once(t, "-continue-on-error", "-package-files", "1", paths[0], paths[1])
	if code != exitFailed || !strings.Contains(stderr, "mirrored with errors") || !mirrored(paths[0], paths[1]) {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if code, stderr = once(t, "-delete", paths[0], paths[1]); code != exitOK {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// TestAddressInUse exits with 1 and says so, before anything is mirrored.
func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	paths := sites(t, 1)
	addr := l.Addr().String()
	code, _, stderr := command(t, append([]string{"-once", "-addr", addr}, paths...)...)
	if code != exitFailed || !strings.Contains(stderr, "cannot listen on "+addr) || !strings.Contains(stderr, "in use") || !strings.Contains(stderr, "-addr") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if mirrored(paths[0], paths[1]) {
		t.Error("it mirrored all the same")
	}
}

// TestDemo mirrors the sample site if no paths are given, and leaves nothing
// behind.
func TestDemo(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("TMP", tmp)
	files := 0
	filepath.WalkDir("../../testdata/site", func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
		} else if !d.IsDir() {
			files++
		}
		return nil
	})
	t.Chdir(t.TempDir()) // it works from anywhere
	code, stderr := once(t, "-bandwidth", "1GB")
	if code != exitOK || !strings.Contains(stderr, "files="+strconv.Itoa(files)+" ") {
		t.Errorf("exit %d, want %d files\n%s", code, files, stderr)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v %v", left, err)
	}

	missing := filepath.Join(tmp, "missing")
	t.Setenv("TMPDIR", missing)
	t.Setenv("TMP", missing)
	if code, stderr := once(t); code != exitFailed || !strings.Contains(stderr, "set TMPDIR, or name SRC and DST") {
		t.Errorf("where there is no temporary directory: exit %d\n%s", code, stderr)
	}
}

// TestFileFlags: -dry-run only says what a run would do; -exclude, -exclude-from,
// -max-delete, -checksum and -spool do what they say.
func TestFileFlags(t *testing.T) {
	paths := sites(t, 1)
	src, dst := paths[0], paths[1]
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := command(t, "-addr", "127.0.0.1:0", "-dry-run", src, dst)
	if _, err := os.Stat(dst); code != exitOK || out != "copy index.html\n" || err == nil || !strings.Contains(errs, "dry run: nothing was copied or deleted") {
		t.Errorf("exit %d, %q, %s", code, out, errs)
	}
	write(filepath.Join(src, "a.tmp"), "x")
	write(filepath.Join(src, "cache/b"), "x")
	patterns := filepath.Join(t.TempDir(), "patterns")
	write(patterns, "# none of these\n/cache/\n")
	args := []string{"-exclude", "*.tmp", "-exclude-from", patterns, "-spool", t.TempDir()}
	if code, errs := once(t, append(args, src, dst)...); code != exitOK {
		t.Errorf("exit %d\n%s", code, errs)
	}
	names, err := os.ReadDir(dst)
	if err != nil || len(names) != 1 || !mirrored(src, dst) {
		t.Errorf("%v, %v", names, err)
	}
	for i := range 11 {
		write(filepath.Join(dst, strconv.Itoa(i)), "gone")
	}
	if code, errs := once(t, "-delete", src, dst); code != exitFailed || !strings.Contains(errs, "11 of 12 files at the destination are not in the source, which is more than -max-delete 50% allows") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if code, errs := once(t, append(args, "-delete", "-max-delete", "11", src, dst)...); code != exitOK || !strings.Contains(errs, "deleted=11") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	page := filepath.Join(src, "index.html")
	info, err := os.Stat(page)
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dst, "index.html"), strings.Repeat("x", int(info.Size())))
	os.Chtimes(filepath.Join(dst, "index.html"), info.ModTime(), info.ModTime())
	if once(t, append(args, src, dst)...); mirrored(src, dst) {
		t.Error("the content was compared without -checksum")
	}
	if once(t, append(args, "-checksum", src, dst)...); !mirrored(src, dst) {
		t.Error("the content was not compared")
	}
}
