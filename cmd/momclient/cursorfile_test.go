package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

func cursor(seq uint64) wire.Cursor { return wire.Cursor{Epoch: jobID("epoch"), Seq: seq} }

// openCursor opens a cursor file that is not refused, and closes it at the end.
func openCursor(t *testing.T, path string) *cursorFile {
	t.Helper()
	f, err := openCursorFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.follow(f.at)() })
	return f
}

// at is where a client stands that has seen nothing since the file was opened.
func (f *cursorFile) at() wire.Cursor { return f.cursor }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// names are the entries of a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// TestCursorFresh makes no file before there is a place to keep.
func TestCursorFresh(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cursor")
	f := openCursor(t, path)
	if !f.cursor.IsZero() || names(t, dir) != "" {
		t.Errorf("begins at %v, with %q", f.cursor, names(t, dir))
	}
	if err := f.save(wire.Cursor{}); err != nil || names(t, dir) != "" {
		t.Errorf("no place was saved: %q, %v", names(t, dir), err)
	}
	for _, seq := range []uint64{7, 8, 1<<64 - 1} {
		if err := f.save(cursor(seq)); err != nil {
			t.Fatal(err)
		}
		if got, want := read(t, path), fmt.Sprintf("%v/%020d\n", jobID("epoch"), seq); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := names(t, dir); got != "cursor" {
		t.Errorf("left behind: %s", got)
	}
}

// TestCursorResumed goes on from what was kept, in the file that it was in, in
// whichever way the line ends.
func TestCursorResumed(t *testing.T) {
	for _, text := range []string{string(line(cursor(41))), cursor(41).String(), cursor(41).String() + "\r\n\n"} {
		path := filepath.Join(t.TempDir(), "cursor")
		write(t, path, text)
		f := openCursor(t, path)
		if f.cursor != cursor(41) || read(t, path) != text {
			t.Errorf("%q: %v; now %q", text, f.cursor, read(t, path))
		}
		if err := f.save(cursor(42)); err != nil || read(t, path) != string(line(cursor(42))) {
			t.Errorf("%q became %q, %v", text, read(t, path), err)
		}
		if err := f.save(cursor(40)); err != nil || read(t, path) != string(line(cursor(42))) {
			t.Errorf("it went back to %q, %v", read(t, path), err)
		}
		next := wire.Cursor{Epoch: jobID("next"), Seq: 1} // of a restarted server
		if err := f.save(next); err != nil || read(t, path) != string(line(next)) {
			t.Errorf("the next epoch: %q, %v", read(t, path), err)
		}
	}
}

// TestCursorKeepsFile does not change whose the file is and who may read it.
func TestCursorKeepsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	write(t, path, string(line(cursor(1))))
	before, _ := os.Stat(path)
	if err := openCursor(t, path).save(cursor(2)); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("%v became %v, %v", before, after, err)
	}
}

// TestCursorRefused names what is wrong, and leaves everything as it is.
func TestCursorRefused(t *testing.T) {
	good := string(line(cursor(1)))
	refused := func(name, text, want string) {
		dir := t.TempDir()
		path := filepath.Join(dir, "cursor")
		write(t, path, text)
		_, err := openCursorFile(path)
		var bad fileError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), path+want) || len(err.Error()) > 1000 {
			t.Errorf("%s: %v", name, err)
		}
		if read(t, path) != text || names(t, dir) != "cursor" {
			t.Errorf("%s: it was touched: %s", name, names(t, dir))
		}
	}
	for _, text := range []string{"", "\n", "\r\n\r\n"} {
		refused("empty", text, " is empty; remove it to begin anew")
	}
	for name, text := range map[string]string{
		"cut off within its digits": good[:len(good)-3], "cut off to three": good[:40],
		"text": "hello\n", "two lines": good + good, "cut": good[:30], "no epoch": "00000000-0000-0000-0000-000000000000/1\n",
		"no number": jobID("epoch").String() + "/x\n", "negative": jobID("epoch").String() + "/-1\n", "space": " " + good,
		"too great": jobID("epoch").String() + "/18446744073709551616\n", "long": strings.Repeat("x", 1<<20),
		"hidden behind lines": good + strings.Repeat("\n", 300) + "more", "binary": "\x00\xff\n",
	} {
		refused(name, text, " is damaged")
	}
}

// TestCursorNoFile refuses what is no file, without waiting for it.
func TestCursorNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := openCursorFile(dir); err == nil || !strings.Contains(err.Error(), dir+" is no regular file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := openCursorFile(os.DevNull); err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("a device: %v", err)
	}
	for _, path := range []string{filepath.Join(dir, "none", "cursor"), filepath.Join(os.DevNull, "cursor")} {
		if _, err := openCursorFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestCursorLink keeps a symbolic link, and what it leads to changes, though
// it leads to nothing yet; the file aside is written through no link.
func TestCursorLink(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(dir, "below", "target"), filepath.Join(dir, "cursor")
	os.Mkdir(filepath.Dir(target), 0o755)
	if err := os.Symlink(filepath.Join("below", "target"), path); err != nil {
		t.Skip(err)
	}
	victim := filepath.Join(dir, "victim")
	write(t, victim, "precious")
	os.Symlink(victim, target+".tmp")
	for seq := range uint64(3) {
		f := openCursor(t, path)
		if err := f.save(cursor(seq + 1)); err != nil {
			t.Fatal(err)
		}
		f.file.Close() // the next one may have it
		if read(t, target) != string(line(cursor(seq+1))) || names(t, filepath.Dir(target)) != "target" {
			t.Errorf("at %d: %q in %s", seq+1, read(t, target), names(t, filepath.Dir(target)))
		}
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	if read(t, victim) != "precious" {
		t.Error("what another link led to was overwritten")
	}
	loop := filepath.Join(dir, "loop")
	os.Symlink(loop, loop)
	if _, err := openCursorFile(loop); err == nil || !strings.Contains(err.Error(), loop) {
		t.Errorf("a loop: %v", err)
	}
}

// TestCursorShared leaves the file to the monitor that was the first to keep a
// place there, where several began with none.
func TestCursorShared(t *testing.T) {
	for _, text := range []string{"", cursor(1).String()} { // the latter is replaced by the first save
		dir := t.TempDir()
		path := filepath.Join(dir, "cursor")
		if text != "" {
			write(t, path, text)
		}
		var monitors []*cursorFile
		for range 2 {
			monitors = append(monitors, openCursor(t, path))
		}
		if err := monitors[1].save(cursor(7)); err != nil {
			t.Fatal(err)
		}
		if err := monitors[0].save(cursor(8)); !errors.Is(err, errShared) || !strings.Contains(err.Error(), path) {
			t.Errorf("the other: %v", err)
		}
		if err := monitors[1].save(cursor(9)); err != nil {
			t.Error(err)
		}
		if read(t, path) != string(line(cursor(9))) || names(t, dir) != "cursor" {
			t.Errorf("%q in %s", read(t, path), names(t, dir))
		}
	}
}

// TestCursorUnwritable is refused before anything is shown.
func TestCursorUnwritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "cursor")
	write(t, path, string(line(cursor(1))))
	os.Chmod(path, 0o400)
	if _, err := openCursorFile(path); err == nil || !strings.Contains(err.Error(), path+" cannot be kept") {
		t.Errorf("a file only to be read: %v", err)
	}
	os.Chmod(dir, 0o500)
	defer os.Chmod(dir, 0o700)
	if _, err := openCursorFile(filepath.Join(dir, "new")); err == nil || !strings.Contains(err.Error(), "cannot be kept") {
		t.Errorf("a directory only to be read: %v", err)
	}
}

// witness is a stdout that looks, at each write, at what the cursor file says,
// and fails from one on.
type witness struct {
	path  string
	said  []string // by the file when each line came
	fails int      // the write that fails; 0 for none
}

func (w *witness) Write(p []byte) (int, error) {
	text, _ := os.ReadFile(w.path)
	_, seq, _ := strings.Cut(strings.TrimSpace(string(text)), "/")
	w.said = append(w.said, strings.TrimLeft(seq, "0"))
	if len(w.said) == w.fails {
		return len(p) / 2, syscall.ENOSPC
	}
	return len(p), nil
}

// TestCursorBehindStdout is never ahead of what was shown, and stays where it
// is when an event could not be.
func TestCursorBehindStdout(t *testing.T) {
	for _, tc := range []struct {
		fails int
		code  int
		said  string
		last  uint64
	}{{0, exitOK, ",1,2,3", 4}, {3, exitFailed, ",1,2", 2}} {
		inBubble(t, func(s *site) {
			s.job("first").Complete()
			s.job("second").Complete()
			w := &witness{path: filepath.Join(s.t.TempDir(), "cursor"), fails: tc.fails}
			s.watchTo(w, "-from", "oldest", "-cursor", w.path, "-o", "json")
			s.cancel()
			s.exits(tc.code, 0)
			if got := strings.Join(w.said, ","); got != tc.said {
				s.t.Errorf("it said %s, want %s", got, tc.said)
			}
			if got := read(s.t, w.path); got != string(line(wire.Cursor{Epoch: s.srv.Epoch(), Seq: tc.last})) {
				s.t.Errorf("in the end %q, want %d", got, tc.last)
			}
			if full := strings.Contains(s.stderr.String(), "no space left on device"); full != (tc.fails > 0) {
				s.t.Errorf("stderr %s", &s.stderr)
			}
		})
	}
}

// TestCursorWithoutEvents follows what is filtered out, once a second.
func TestCursorWithoutEvents(t *testing.T) {
	inBubble(t, func(s *site) {
		path := filepath.Join(s.t.TempDir(), "cursor")
		s.watch("-job", "none", "-cursor", path)
		s.job("other").Complete()
		time.Sleep(4 * time.Second) // a heartbeat tells, and a tick saves
		synctest.Wait()
		if got := read(s.t, path); got != string(line(wire.Cursor{Epoch: s.srv.Epoch(), Seq: 2})) {
			s.t.Errorf("%q", got)
		}
		s.job("other").Complete()
		s.cancel()
		s.exits(exitOK, 0)
	})
}

// TestCursorOfAnotherEpoch begins at the beginning of the new server's, and
// keeps that from there on.
func TestCursorOfAnotherEpoch(t *testing.T) {
	inBubble(t, func(s *site) {
		path := filepath.Join(s.t.TempDir(), "cursor")
		write(s.t, path, string(line(cursor(1000))))
		s.job("site").Complete()
		s.watch("-cursor", path)
		if got := read(s.t, path); strings.Count(s.stdout.String(), "\n") != 2 || got != string(line(wire.Cursor{Epoch: s.srv.Epoch(), Seq: 2})) {
			s.t.Errorf("%q\n%s", got, &s.stdout)
		}
		s.cancel()
		s.exits(exitOK, 0, "new epoch "+s.srv.Epoch().String())
	})
}

// TestCursorSnapshot is not kept in the middle of a snapshot: a monitor that
// ends there is shown the rest when it is started again.
func TestCursorSnapshot(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.t.TempDir()
		a, b := s.job("a"), s.job("b")
		path := filepath.Join(dir, "cursor")
		s.watchTo(&witness{path: path, fails: 2}, "-cursor", path)
		s.exits(exitFailed, 0)
		if got := names(s.t, dir); got != "" {
			s.t.Errorf("a place was kept: %s", got)
		}
		a.Complete()
		b.Complete()
	})
}
