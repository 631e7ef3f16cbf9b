//go:build unix

package mirror

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mom.internal/cmd/internal/flock"
	"mom.internal/wire"
)

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
		wantFailure(t, events, wire.ExportingError, "/staging", fmt.Sprintf("another run mirrors to this destination now (%s, process %d, since ", filepath.Base(os.Args[0]), os.Getpid()))
	}})
	if err != nil || !result.Clean() || !tried {
		t.Error(result, err, tried)
	}
	compare(t, tell(t, p.src), tell(t, p.dst), true)
	other.mirrored() // the destination is free again
}

// lockAll locks a directory and all files in it that can be opened.
func lockAll(dir string) (locked []*os.File) {
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	for _, name := range slices.Concat([]string{dir}, names, hidden) {
		if f, err := os.Open(name); err == nil && flock.Try(f) == nil {
			locked = append(locked, f)
		}
	}
	return locked
}

// TestStrangersLock: another user who may read the destination, and locks all
// that he can open there, stops no run. Root runs this with a process of that
// user, others with the locks of such a process.
func TestStrangersLock(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("f", text(99_000)).with(0o644), file("g", "x").with(0o644))
	p.mirrored()
	for dir := p.dst; dir != filepath.Dir(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	plant(t, p.src, file("h", "more"))
	if os.Geteuid() != 0 {
		for _, f := range lockAll(p.dst) {
			defer f.Close()
		}
		p.mirrored()
		return
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envNobody+"=1", envLock+"="+p.dst, "GORACE=atexit_sleep_ms=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked 3\n" { // with f and g
		t.Fatalf("%q, %v", line, err)
	}
	p.mirrored()
}

// TestPlantedLink follows no symbolic link to the destination in a directory
// where every user may write, whether it is there from the beginning or appears
// later. With Delete it would delete what the link leads to.
func TestPlantedLink(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("f", "x"))
	top := filepath.Dir(p.src)
	shared, victim := filepath.Join(top, "tmp"), filepath.Join(top, "victim")
	os.Mkdir(shared, 0o700)
	os.Mkdir(victim, 0o700)
	os.Chmod(shared, 0o777|fs.ModeSticky)
	plant(t, victim, file("precious", "p"))
	p.dst = filepath.Join(shared, "staging")
	later, err := New(p.srv, p.src, p.dst, p.opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, p.dst); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][2]string{{p.src, p.dst}, {p.src, filepath.Join(p.dst, "below")}, {p.dst, filepath.Join(top, "new")}} {
		if _, err := New(p.srv, paths[0], paths[1], p.opts); err == nil || !strings.Contains(err.Error(), p.dst+" is a symbolic link in a directory where other users may write") {
			t.Errorf("%q: %v", paths, err)
		}
	}
	if _, err := later.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "is a symbolic link in a directory where other users may write") {
		t.Errorf("planted later: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(victim, "precious")); string(text) != "p" {
		t.Errorf("%q, %v", text, err)
	}
}

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

// TestDestinationMode gives a new destination the mode of the source, so that a
// private source does not become public.
func TestDestinationMode(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("secret", "x"))
	os.Chmod(p.src, 0o700)
	p.mirrored()
	if info, err := os.Stat(p.dst); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
}

// TestNestedDestinations refuses a run at a destination that is in that of another
// run, or that one is in, whichever was first.
func TestNestedDestinations(t *testing.T) {
	for _, first := range []string{"outer", "inner"} {
		outer, inner := newPair(t, Options{Delete: true}), newPair(t, Options{})
		plant(t, outer.src, file("f", text(99_000)))
		plant(t, inner.src, file("g", text(99_000)))
		os.MkdirAll(filepath.Join(outer.dst, "a/b"), 0o755)
		inner.dst = filepath.Join(outer.dst, "a/b")
		one, other := outer, inner
		if first == "inner" {
			one, other = inner, outer
		}
		tried := false
		one.run(&moments{Context: t.Context(), do: func(int) {
			if found, _ := filepath.Glob(filepath.Join(one.dst, spoolPrefix+"*", "*")); tried || len(found) == 0 {
				return
			}
			tried = true
			m, err := New(other.srv, other.src, other.dst, other.opts)
			if err != nil {
				t.Error(err)
				return
			}
			before := tell(t, other.dst)
			_, err = m.Run(t.Context())
			if want := fmt.Sprintf("%s: another run mirrors to this destination now (%s, process %d, since ", one.dst, filepath.Base(os.Args[0]), os.Getpid()); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s first: %v", first, err)
			}
			compare(t, before, tell(t, other.dst), true)
		}})
		if !tried {
			t.Errorf("%s first: no run at the same time", first)
		}
	}
}
