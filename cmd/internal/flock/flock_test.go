//go:build unix && !solaris && !aix

package flock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// root opens a new directory.
func root(t *testing.T) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// take takes the lock until the test ends.
func take(t *testing.T, dir *os.Root) *Lock {
	t.Helper()
	lock, err := Take(dir, "lock")
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// TestTake refuses a second lock, and names the holder, until the first is
// closed. Only the owner can open the file, and none is left.
func TestTake(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := root(t)
	for range 2 {
		first := take(t, dir)
		if info, err := dir.Stat("lock"); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		_, err := Take(dir, "lock")
		var held *Held
		if want := fmt.Sprintf("%s, process %d, since 20", filepath.Base(os.Args[0]), os.Getpid()); !errors.As(err, &held) || !strings.HasPrefix(held.Who, want) || !strings.Contains(err.Error(), "locked by "+want) {
			t.Errorf("the second: %v", err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		if _, err := dir.Lstat("lock"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file is left: %v", err)
		}
	}
}

// TestTakeLeft takes the lock of a process that was killed. A file that others
// can open is replaced.
func TestTakeLeft(t *testing.T) {
	for _, mode := range []fs.FileMode{0o600, 0o644} {
		dir := root(t)
		if err := dir.WriteFile("lock", []byte(strings.Repeat("old, process 1, since 1999\n", 20)), mode); err != nil {
			t.Fatal(err)
		}
		stranger, err := dir.Open("lock") // which a reader could lock
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		lock := take(t, dir)
		now, _ := dir.Stat("lock")
		before, _ := stranger.Stat()
		if os.SameFile(before, now) != (mode == 0o600) || now.Mode() != 0o600 {
			t.Errorf("%v: now %v, the same %v", mode, now.Mode(), os.SameFile(before, now))
		}
		if text, err := dir.ReadFile("lock"); err != nil || strings.Count(string(text), "\n") != 1 || strings.Contains(string(text), "old") {
			t.Errorf("%v: %q, %v", mode, text, err)
		}
		lock.Close()
	}
}

// TestTakeRemoved: a lock on a file that its holder has just removed does not
// count.
func TestTakeRemoved(t *testing.T) {
	dir := root(t)
	first := take(t, dir)
	waiting, created, err := open(dir, "lock")
	if err != nil || created {
		t.Fatal(created, err)
	}
	defer waiting.Close()
	first.Close()
	second := take(t, dir)
	defer second.Close()
	if err := Try(waiting); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(dir, "lock"); !errors.As(err, new(*Held)) {
		t.Errorf("a third: %v", err)
	}
}

// TestTakePlanted takes no lock on, and changes nothing of, what somebody has
// planted.
func TestTakePlanted(t *testing.T) {
	for name, plant := range map[string]func(victim, path string) error{
		"symbolic link": os.Symlink, "hard link": os.Link,
		"dangling link": func(_, path string) error { return os.Symlink("nothing", path) },
		"pipe":          func(_, path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory":     func(_, path string) error { return os.Mkdir(path, 0o700) },
	} {
		dir := root(t)
		victim, path := filepath.Join(dir.Name(), "victim"), filepath.Join(dir.Name(), "lock")
		if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := plant(victim, path); err != nil {
			t.Fatal(err)
		}
		if _, err := Take(dir, "lock"); err == nil || !strings.Contains(err.Error(), path+" is not a lock file") {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(victim); string(text) != "precious" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if _, err := dir.Lstat("nothing"); err == nil {
			t.Errorf("%s: its target was created", name)
		}
	}
}

// TestTakeUnwritable says that no file can be created.
func TestTakeUnwritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := root(t)
	os.Chmod(dir.Name(), 0o500)
	defer os.Chmod(dir.Name(), 0o700)
	if _, err := Take(dir, "lock"); !errors.Is(err, ErrUnwritable) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
}

// TestTakeOfAnotherUser: root replaces the file of another user that nobody
// has locked, and otherwise names the holder.
func TestTakeOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := root(t)
	first := take(t, dir)
	if err := dir.Chown("lock", 1234, 1234); err != nil {
		t.Skip(err)
	}
	if _, err := Take(dir, "lock"); !strings.Contains(fmt.Sprint(err), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("held: %v", err)
	}
	first.file.Close() // as if killed
	take(t, dir).Close()
	if _, err := dir.Lstat("lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}

// TestTakeAsAnotherUser says whose file is in the way of a user who may not
// open or remove it.
func TestTakeAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	for mode, want := range map[fs.FileMode]string{
		0o600: "belongs to the user with ID 1234, who holds the lock or was killed", 0o666: "belongs to the user with ID 1234, and has to be removed first",
	} {
		dir := root(t)
		os.Chmod(dir.Name(), 0o777|fs.ModeSticky)
		if err := errors.Join(dir.WriteFile("lock", nil, 0o600), dir.Chmod("lock", mode), dir.Chown("lock", 1234, 1234)); err != nil {
			t.Skip(err)
		}
		if err := syscall.Seteuid(65534); err != nil {
			t.Skip(err)
		}
		_, err := Take(dir, "lock")
		if err := syscall.Seteuid(0); err != nil {
			t.Fatal(err)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", mode, err)
		}
	}
}

// TestHolderUnknown shows nothing of a file that may steer a terminal.
func TestHolderUnknown(t *testing.T) {
	dir := root(t)
	for _, text := range []string{"", "\x1b[2J\n", "ö\n", strings.Repeat("\x00", 2*maxHolder)} {
		if err := dir.WriteFile("lock", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := dir.Open("lock")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := Try(file); err != nil {
			t.Fatal(err)
		}
		if _, err := Take(dir, "lock"); fmt.Sprint(err) != "it is locked" {
			t.Errorf("%q: %v", text, err)
		}
		dir.Remove("lock")
	}
}
