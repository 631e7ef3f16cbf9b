//go:build unix && !solaris && !aix

package paths

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// dirs makes a directory of the user's own and one where every user may write.
func dirs(t *testing.T) (own, shared string) {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own, shared = filepath.Join(top, "own"), filepath.Join(top, "shared")
	for dir, mode := range map[string]os.FileMode{own: 0o755, shared: 0o777 | os.ModeSticky} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	return own, shared
}

// TestResolve follows links in directories of the user's own, in every part of
// the path, and no link in a directory where every user may write.
func TestResolve(t *testing.T) {
	own, shared := dirs(t)
	top := filepath.Dir(own)
	for path, target := range map[string]string{
		"own/absolute": filepath.Join(own, "dir"), "own/relative": "dir", "own/up": "../own/dir", "own/dangling": "dir/none",
		"own/twice": "relative", "own/loop": "loop", "own/into": "../shared/link", "own/out": "../shared",
		"shared/link": filepath.Join(own, "dir"), "shared/dir/link": "../link",
	} {
		os.MkdirAll(filepath.Join(own, "dir", "sub"), 0o755)
		os.MkdirAll(filepath.Join(shared, "dir"), 0o755)
		if err := os.Symlink(target, filepath.Join(top, path)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(own)
	for path, want := range map[string]string{
		own + "/absolute": "own/dir", own + "/relative": "own/dir", own + "/up/x": "own/dir/x", own + "/dangling": "own/dir/none", own + "/twice/sub/..": "own/dir",
		own + "/none/x/y": "own/none/x/y", "relative/x": "own/dir/x", "dir/../relative/sub/../../x": "own/x", "./dir//sub/": "own/dir/sub",
		shared + "/file": "shared/file", own + "/out/dir/x": "shared/dir/x",
	} {
		if got, err := Resolve(path); err != nil || got.Path != filepath.Join(top, want) {
			t.Errorf("%s: %v, %v; want %s", path, got.Path, err, want)
		}
	}
	for path, link := range map[string]string{
		shared + "/link": "shared/link", shared + "/link/sub/x": "shared/link", own + "/into": "shared/link", own + "/out/link": "shared/link", own + "/out/../shared/link": "shared/link",
		shared + "/dir/link": "shared/link", // by the link in the user's own directory
	} {
		if _, err := Resolve(path); err == nil || !strings.HasPrefix(err.Error(), filepath.Join(top, link)+" is a symbolic link in a directory where other users may write, and is not followed; if it is yours, name what it leads to: ") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Resolve(own + "/loop"); err == nil || !strings.Contains(err.Error(), own+"/loop is a symbolic link that cannot be followed") {
		t.Errorf("a loop: %v", err)
	}
}

// TestOpen opens regular files only, and in a directory where every user may
// write none that has a second name. It does not wait for a pipe.
func TestOpen(t *testing.T) {
	own, shared := dirs(t)
	for _, dir := range []string{own, shared} {
		place := func(name string) Place {
			p, err := Resolve(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		for _, name := range []string{"file", "hard"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		pipe, hard, later := place("pipe"), place("hard"), place("later")
		if err := syscall.Mkfifo(pipe.Path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(hard.Path, filepath.Join(dir, "other")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("file", later.Path); err != nil {
			t.Fatal(err)
		}
		if f, err := place("file").Open(os.O_WRONLY); err != nil {
			t.Error(err)
		} else {
			f.Close()
		}
		for _, p := range []Place{pipe, later} {
			if _, err := p.Open(os.O_RDONLY); err == nil || !strings.Contains(err.Error(), p.Path+" is not a regular file") {
				t.Errorf("%s: %v", p.Path, err)
			}
		}
		f, err := hard.Open(os.O_WRONLY)
		if (err == nil) != (dir == own) || err != nil && !strings.Contains(err.Error(), "has another name (a hard link)") {
			t.Errorf("%s: %v", hard.Path, err)
		}
		f.Close()
	}
}

// TestStrangers refuses a file of another user, and a link in a directory that
// another user has made, where every user may write.
func TestStrangers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	own, shared := dirs(t)
	for _, dir := range []string{own, shared} {
		file, theirs := filepath.Join(dir, "file"), filepath.Join(dir, "theirs")
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(theirs, 0o755); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(theirs, "link")
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{file, theirs} {
			if err := os.Chown(path, 1234, 1234); err != nil {
				t.Skip(err)
			}
		}
		p, err := Resolve(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := p.Open(os.O_RDWR)
		if (err == nil) != (dir == own) || err != nil && !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("%s: %v", file, err)
		}
		f.Close()
		if _, err := Resolve(link); (err == nil) != (dir == own) {
			t.Errorf("%s: %v", link, err)
		}
	}
}
