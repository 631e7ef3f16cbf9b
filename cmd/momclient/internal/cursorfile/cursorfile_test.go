package cursorfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/attack"
)

func id(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

func cursor(seq uint64) wire.Cursor { return wire.Cursor{Epoch: id("epoch"), Seq: seq} }

// lineOf returns the content of a file with one cursor.
func lineOf(c wire.Cursor) []byte { return (&line{cursor: c}).encode(false) }

// same is an alias function for servers that always had the same names.
func same(server string) string { return server }

// openOne opens the cursor file of a monitor of one server.
func openOne(path string) (*File, error) { return Open(path, []string{"S"}, same) }

// open opens a cursor file, and closes it at the end of the test.
func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := openOne(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

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

// lockOf returns the name of the lock beside a file of that name, and "" on
// a system without locks.
func lockOf(name string) string {
	if locks {
		return name + ".lock"
	}
	return ""
}

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

// TestCursorFresh makes no file before there is a cursor to save.
func TestCursorFresh(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cursor")
	f := open(t, path)
	if !f.Cursor(0).IsZero() || names(t, dir) != lockOf("cursor") {
		t.Errorf("begins at %v, with %q", f.Cursor(0), names(t, dir))
	}
	if err := f.Save(0, wire.Cursor{}); err != nil || names(t, dir) != lockOf("cursor") {
		t.Errorf("no place was saved: %q, %v", names(t, dir), err)
	}
	for _, seq := range []uint64{7, 8, 1<<64 - 1} {
		if err := f.Save(0, cursor(seq)); err != nil {
			t.Fatal(err)
		}
		if got, want := read(t, path), fmt.Sprintf("%v/%020d\n", id("epoch"), seq); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f.Close()
	if got := names(t, dir); got != "cursor" {
		t.Errorf("left behind: %s", got)
	}
}

// TestCursorResumed goes on from the cursor in the file, whatever ends the
// line, and writes to the same file.
func TestCursorResumed(t *testing.T) {
	for _, text := range []string{string(lineOf(cursor(41))), cursor(41).String(), cursor(41).String() + "\r\n\n"} {
		path := filepath.Join(t.TempDir(), "cursor")
		write(t, path, text)
		f := open(t, path)
		if f.Cursor(0) != cursor(41) || read(t, path) != text {
			t.Errorf("%q: %v; now %q", text, f.Cursor(0), read(t, path))
		}
		if err := f.Save(0, cursor(42)); err != nil || read(t, path) != string(lineOf(cursor(42))) {
			t.Errorf("%q became %q, %v", text, read(t, path), err)
		}
		if err := f.Save(0, cursor(40)); err != nil || read(t, path) != string(lineOf(cursor(42))) {
			t.Errorf("it went back to %q, %v", read(t, path), err)
		}
		next := wire.Cursor{Epoch: id("next"), Seq: 1} // the server was restarted
		if err := f.Save(0, next); err != nil || read(t, path) != string(lineOf(next)) {
			t.Errorf("the next epoch: %q, %v", read(t, path), err)
		}
	}
}

// TestCursorKeepsFile keeps the owner and the mode of the file.
func TestCursorKeepsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	write(t, path, string(lineOf(cursor(1))))
	before, _ := os.Stat(path)
	if err := open(t, path).Save(0, cursor(2)); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("%v became %v, %v", before, after, err)
	}
}

// TestCursorRefused says what is wrong, and leaves the file as it is.
func TestCursorRefused(t *testing.T) {
	good := string(lineOf(cursor(1)))
	named := strings.TrimSuffix(good, "\n") + " a server\n"
	refused := func(name, text, want string) {
		dir := t.TempDir()
		path := filepath.Join(dir, "cursor")
		write(t, path, text)
		_, err := openOne(path)
		if err == nil || !strings.Contains(err.Error(), path+want) || len(err.Error()) > 1000 {
			t.Errorf("%s: %v", name, err)
		}
		if read(t, path) != text || names(t, dir) != "cursor" {
			t.Errorf("%s: it was touched: %s", name, names(t, dir))
		}
	}
	for _, text := range []string{"", "\n", "\r\n\r\n"} {
		refused("empty", text, " is empty; remove it to begin again")
	}
	for name, text := range map[string]string{
		"cut off within its digits": good[:len(good)-3], "cut off to three": good[:40],
		"text": "hello\n", "two lines": good + good, "cut": good[:30], "no epoch": "00000000-0000-0000-0000-000000000000/1\n",
		"no number": id("epoch").String() + "/x\n", "negative": id("epoch").String() + "/-1\n", "space": " " + good,
		"too great": id("epoch").String() + "/18446744073709551616\n", "long": strings.Repeat("x", 1<<20),
		"hidden behind lines": good + strings.Repeat("\n", 300) + "more", "binary": "\x00\xff\n",
		"no name among names": named + good, "cut within the name": named + named[:len(named)-2], "cut within the digits": named + good[:40] + " b\n", "too many": strings.Repeat(named, maxLines+1),
	} {
		refused(name, text, " is damaged")
	}
}

// TestCursorNoFile refuses a path that is not a regular file, without waiting.
func TestCursorNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := openOne(dir); err == nil || !strings.Contains(err.Error(), dir+" is not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := openOne(os.DevNull); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a device: %v", err)
	}
	for _, path := range []string{filepath.Join(dir, "none", "cursor"), filepath.Join(os.DevNull, "cursor")} {
		if _, err := openOne(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestCursorLink keeps a symbolic link and writes to its target, even to one
// that does not exist yet. The temporary file is written through no link.
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
		f := open(t, path)
		if err := f.Save(0, cursor(seq+1)); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if read(t, target) != string(lineOf(cursor(seq+1))) || names(t, filepath.Dir(target)) != "target" {
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
	if _, err := openOne(loop); err == nil || !strings.Contains(err.Error(), loop) {
		t.Errorf("a loop: %v", err)
	}
}

// TestCursorShared leaves a file alone that has appeared since Open, or has
// replaced the one that Open found.
func TestCursorShared(t *testing.T) {
	for _, text := range []string{"", cursor(1).String()} { // the first save replaces the second file
		dir := t.TempDir()
		path := filepath.Join(dir, "cursor")
		if text != "" {
			write(t, path, text)
		}
		f := open(t, path)
		write(t, path+".new", string(lineOf(cursor(9))))
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		if err := f.Save(0, cursor(8)); !errors.Is(err, errShared) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v", err)
		}
		f.Close()
		if read(t, path) != string(lineOf(cursor(9))) || names(t, dir) != "cursor" {
			t.Errorf("%q in %s", read(t, path), names(t, dir))
		}
	}
}

// TestCursorUnwritable refuses a file that cannot be written, before any event
// is shown.
func TestCursorUnwritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "cursor")
	write(t, path, string(lineOf(cursor(1))))
	os.Chmod(path, 0o400)
	if _, err := openOne(path); err == nil || !strings.Contains(err.Error(), path+" cannot be written") {
		t.Errorf("a file only to be read: %v", err)
	}
	os.Chmod(dir, 0o500)
	defer os.Chmod(dir, 0o700)
	if _, err := openOne(filepath.Join(dir, "new")); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("a directory only to be read: %v", err)
	}
}

// FuzzFile: a file has a cursor, or Open refuses it and leaves it as it is.
// Open reads what Save wrote.
func FuzzFile(f *testing.F) {
	id := "0b49b7e6-3df0-4ad0-a9d1-9a4b21f1b1e4"
	for _, text := range []string{
		"", "\n", id + "/42\n", id + "/00000000000000000042\n", id + "/42\r\n\r\n", id, id + "/", id + "/-1", id + "/18446744073709551616", id + "/18446744073709551615",
		"00000000-0000-0000-0000-000000000000/1\n", id + "/42\n" + id + "/43\n", "{" + id + "}/1", "urn:uuid:" + id + "/1", "\x00", string(make([]byte, 5000)),
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "cursor")
		attack.Bounded(t, len(data), func() {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := openOne(path)
			if err != nil {
				if kept, rerr := os.ReadFile(path); rerr != nil || !bytes.Equal(kept, data) || len(err.Error()) > 1000 {
					t.Errorf("%v; the file is %q", err, kept)
				}
				return
			}
			next := wire.Cursor{Epoch: uuid.UUID{9}, Seq: file.Cursor(0).Seq ^ 1}
			if err := file.Save(0, next); err != nil {
				t.Fatal(err)
			}
			file.Close()
			again, err := openOne(path)
			if err != nil || again.Cursor(0) != next {
				t.Fatalf("saved %v, read %v: %v", next, again, err)
			}
			again.Close()
		})
	})
}

// TestSeveralServers keeps a line for each server, and each save changes that line
// alone. Lines of other servers stay. A server that has another name in the file is
// found by its alias.
func TestSeveralServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	alias := func(server string) string {
		if server == "a:7420" {
			return "a"
		}
		return server
	}
	openThese := func(servers ...string) *File {
		f, err := Open(path, servers, alias)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Close)
		return f
	}
	save := func(f *File, n int, seq uint64, want string) {
		t.Helper()
		if err := f.Save(n, cursor(seq)); err != nil || read(t, path) != want {
			t.Errorf("%v\n%swant\n%s", err, read(t, path), want)
		}
	}
	of := func(seq uint64, server string) string {
		return strings.TrimSuffix(string(lineOf(cursor(seq))), "\n") + " " + server + "\n"
	}
	none := strings.Repeat("-", 57) + " b\n"
	f := openThese("a:7420", "b")
	save(f, 0, 7, of(7, "a:7420")+none)
	save(f, 1, 8, of(7, "a:7420")+of(8, "b"))
	f.Close()
	f = openThese("c", "b", "a")
	if got := []wire.Cursor{f.Cursor(0), f.Cursor(1), f.Cursor(2)}; !slices.Equal(got, []wire.Cursor{{}, cursor(8), cursor(7)}) {
		t.Errorf("they go on at %v", got)
	}
	save(f, 2, 9, strings.Replace(none, "b", "c", 1)+of(8, "b")+of(9, "a"))
	f.Close()
	f = openThese("b")
	save(f, 0, 10, of(10, "b")+strings.Replace(none, "b", "c", 1)+of(9, "a"))
	f.Close()
	before, _ := os.Stat(path)
	f = openThese("b", "c", "a")
	save(f, 1, 11, of(10, "b")+of(11, "c")+of(9, "a"))
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("another file took the place of one that has the lines already")
	}
}

// TestOneServerBecomesSeveral begins each server without a line of its own at the
// cursor without a name, because it may belong to any of them.
func TestOneServerBecomesSeveral(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	write(t, path, string(lineOf(cursor(41))))
	f, err := Open(path, []string{"a", "b"}, same)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Cursor(0) != cursor(41) || f.Cursor(1) != cursor(41) {
		t.Errorf("%v, %v", f.Cursor(0), f.Cursor(1))
	}
	if err := f.Save(1, cursor(42)); err != nil || strings.Count(read(t, path), "\n") != 2 {
		t.Errorf("%q %v", read(t, path), err)
	}
}
