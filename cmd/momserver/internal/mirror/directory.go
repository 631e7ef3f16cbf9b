package mirror

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
)

// makeDir makes a directory and its parents, in place of files and links, and
// makes it writable. Its mode and time are set at the end. Until then only this
// process may use a new directory.
func (r *run) makeDir(name string) error {
	if name == "." {
		return nil
	}
	if err := r.makeDir(path.Dir(name)); err != nil {
		return err
	}
	local := filepath.FromSlash(name)
	info, err := r.dest.Lstat(local)
	switch {
	case err == nil && info.IsDir():
		return r.openUp(name, info)
	case err == nil:
		if err := r.dest.Remove(local); err != nil {
			return err
		}
	}
	return r.dest.Mkdir(local, 0o700)
}

// openUp makes a directory readable and writable.
func (r *run) openUp(name string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o700 == 0o700 {
		return nil
	}
	return r.dest.Chmod(filepath.FromSlash(name), info.Mode()&modeBits|0o700)
}

// settle sets the modes and times of the directories, the deepest first.
func (r *run) settle() error {
	dirs, err := r.standing()
	if err != nil {
		return err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		e, name := dirs[i], filepath.FromSlash(dirs[i].path)
		info, err := r.dest.Lstat(name)
		if err == nil && info.Mode()&modeBits != modeOf(e.info) {
			err = r.dest.Chmod(name, modeOf(e.info))
		}
		if err == nil && !info.ModTime().Equal(e.info.ModTime()) {
			err = r.dest.Chtimes(name, e.info.ModTime(), e.info.ModTime())
		}
		if err != nil {
			return about(r.where(e.path), err)
		}
	}
	return nil
}

// standing returns the directories of the source that are directories at the
// destination. Others have vanished, or a package failed and a file or a link
// stands in their place, which must not be followed.
func (r *run) standing() ([]entry, error) {
	var dirs []entry
	stands := map[string]bool{".": true}
	for _, e := range r.tree.entries {
		if !e.info.IsDir() || !stands[path.Dir(e.path)] {
			continue
		}
		info, err := r.dest.Lstat(filepath.FromSlash(e.path))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			continue
		}
		if err == nil && info.Mode().Perm()&0o500 != 0o500 { // so that it can be read
			err = r.openUp(e.path, info)
		}
		if err != nil {
			return nil, about(r.where(e.path), err)
		}
		stands[e.path] = true
		dirs = append(dirs, e)
	}
	return dirs, nil
}
