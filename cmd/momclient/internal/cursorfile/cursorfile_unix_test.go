//go:build unix && !solaris && !aix

package cursorfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mom.internal/cmd/internal/flock"
)

const locks = true

// TestCursorLocked refuses a second monitor, and names the first, until the
// first has ended, whether the first has saved a cursor, will create the file,
// or has found it. The lock of a monitor that was killed is taken over.
func TestCursorLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	write(t, path+".lock", "momclient, process 1, since 1999\n")
	for seq := range uint64(2) {
		f := open(t, path)
		for range 2 {
			_, err := openOne(path)
			if want := fmt.Sprintf("%s: another monitor keeps its position there (%s, process %d, since ", path, filepath.Base(os.Args[0]), os.Getpid()); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "); give each monitor a file of its own") {
				t.Errorf("%v", err)
			}
			if err := f.Save(0, cursor(seq+1)); err != nil {
				t.Fatal(err)
			}
		}
		if info, err := os.Stat(path + ".lock"); err != nil || info.Mode() != 0o600 {
			t.Errorf("the lock: %v, %v", info.Mode(), err)
		}
		if read(t, path) != string(lineOf(cursor(seq+1))) {
			t.Errorf("it was touched: %q", read(t, path))
		}
		f.Close()
	}
	open(t, path)
}

// TestCursorStrangersLock: who may only read the cursor file, and locks it,
// stops no monitor.
func TestCursorStrangersLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	write(t, path, string(lineOf(cursor(1))))
	stranger, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if err := flock.Try(stranger); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Save(0, cursor(2)); err != nil {
		t.Error(err)
	}
}

// TestCursorOnly: in a directory where no file can be created, the lock is on
// the cursor file itself, unless others can open that.
func TestCursorOnly(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "cursor")
	write(t, path, string(lineOf(cursor(1))))
	for dirMode, mode := range map[fs.FileMode]fs.FileMode{0o500: 0o600, 0o100: 0o644} {
		os.Chmod(path, mode)
		os.Chmod(dir, dirMode)
		f := open(t, path)
		if err := f.Save(0, cursor(2)); err != nil {
			t.Error(err)
		}
		second, err := openOne(path)
		if (err == nil) != (mode == 0o644) || err != nil && !strings.Contains(err.Error(), "another monitor keeps its position there; give") {
			t.Errorf("%v: %v", mode, err)
		}
		if err == nil {
			second.Close()
		}
		f.Close()
		os.Chmod(dir, 0o700)
	}
}

// TestCursorPlanted neither follows nor overwrites what another user may have
// planted in a directory where every user may write, under the name of the
// cursor file, its temporary file or its lock.
func TestCursorPlanted(t *testing.T) {
	pipe := func(_, path string) error { return syscall.Mkfifo(path, 0o600) }
	for _, tc := range []struct {
		name, at string
		plant    func(victim, path string) error
		want     string // "" if Open replaces it
	}{
		{"symbolic link", "", os.Symlink, " is a symbolic link in a directory where other users may write, and is not followed"},
		{"hard link", "", os.Link, " has another name (a hard link), in a directory where other users may write"},
		{"pipe", "", pipe, " is not a regular file"},
		{"symbolic link", ".lock", os.Symlink, ".lock is not a lock file of this program; remove it"},
		{"hard link", ".lock", os.Link, ".lock is not a lock file of this program; remove it"},
		{"pipe", ".lock", pipe, ".lock is not a lock file of this program; remove it"},
		{"symbolic link", ".tmp", os.Symlink, ""},
		{"hard link", ".tmp", os.Link, ""},
		{"pipe", ".tmp", pipe, ""},
	} {
		top := t.TempDir()
		dir, victim := filepath.Join(top, "tmp"), filepath.Join(top, "victim")
		os.Mkdir(dir, 0o700)
		os.Chmod(dir, 0o777|fs.ModeSticky)
		path, precious := filepath.Join(dir, "cursor"), string(lineOf(cursor(1))) // as a cursor, which could be overwritten
		write(t, victim, precious)
		if err := tc.plant(victim, path+tc.at); err != nil {
			t.Fatal(err)
		}
		f, err := openOne(path)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), path+tc.want) {
			t.Errorf("%s at %q: %v", tc.name, tc.at, err)
		}
		if err == nil {
			if err := f.Save(0, cursor(2)); err != nil || read(t, path) != string(lineOf(cursor(2))) {
				t.Errorf("%s at %q: %v", tc.name, tc.at, err)
			}
			f.Close()
		}
		if read(t, victim) != precious {
			t.Errorf("%s at %q: it was overwritten with %q", tc.name, tc.at, read(t, victim))
		}
	}
}

// TestCursorPlantedLater: what is planted after Open is not overwritten either.
func TestCursorPlantedLater(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o777|fs.ModeSticky)
	path, victim := filepath.Join(dir, "cursor"), filepath.Join(dir, "victim")
	write(t, victim, "precious")
	f := open(t, path)
	for _, at := range []string{path, path + ".tmp"} {
		if err := os.Symlink(victim, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Save(0, cursor(2)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if read(t, victim) != "precious" {
		t.Errorf("it was overwritten with %q", read(t, victim))
	}
}

// TestCursorOfStranger refuses a file of another user, and what he has put in
// the way and this user may not remove.
func TestCursorOfStranger(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o777|fs.ModeSticky)
	path := filepath.Join(dir, "cursor")
	write(t, path, string(lineOf(cursor(1))))
	if err := os.Chown(path, 1234, 1234); err != nil {
		t.Skip(err)
	}
	if _, err := openOne(path); err == nil || !strings.Contains(err.Error(), path+" belongs to another user") {
		t.Errorf("%v", err)
	}
	if read(t, path) != string(lineOf(cursor(1))) || names(t, dir) != "cursor" {
		t.Errorf("it was touched: %q, %s", read(t, path), names(t, dir))
	}
}
