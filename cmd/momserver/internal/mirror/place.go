package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func fromSlash(p string) string { return filepath.FromSlash(p) }

// place moves an entry from the spool to its place.
func (r *run) place(ctx context.Context, a *arrival) error {
	e := a.entry
	if e.info.IsDir() {
		return r.makeDir(e.path)
	}
	if err := r.makeDir(path.Dir(e.path)); err != nil {
		return err
	}
	dir, name, err := r.dest.of(e.path)
	if err != nil {
		return err
	}
	aside, err := r.aside(ctx, a)
	if err != nil {
		return err
	}
	if aside == "" { // a link, which this file system does not keep
		return nil
	}
	if err := r.replace(aside, dir, name, e); err != nil {
		r.dest.top.Remove(fromSlash(aside))
		if errors.Is(err, syscall.EXDEV) {
			return errors.New("it is below a mount point in the destination; a run places files only on the file system of the destination itself")
		}
		return err
	}
	r.placed[strings.ToLower(e.path)] = e.path
	a.rec.spelled = r.m.index.of(e.path).spelled
	r.m.index.put(e.path, a.rec)
	return nil
}

// aside returns the path of the entry in the spool of the destination, from which
// it is renamed. It makes the link there, or copies the file if the spool is
// elsewhere. The path is "" if the destination keeps no links.
func (r *run) aside(ctx context.Context, a *arrival) (string, error) {
	e := a.entry
	pool := r.spool.inDest
	if e.info.Mode()&fs.ModeSymlink != 0 {
		aside := path.Join(pool, r.spool.next())
		err := r.dest.top.Symlink(e.link, fromSlash(aside))
		if err == nil || !unkeepable(err) {
			return aside, err
		}
		if r.once(toldLinks) {
			r.warn(e.path, "the file system of "+r.m.dst+" keeps no symbolic links; they are left out")
		}
		r.m.index.put(e.path, record{kept: &kept{want: wanted(e.info)}})
		return "", nil
	}
	if r.spool.root == r.spool.here {
		return path.Join(pool, a.name), nil
	}
	defer r.spool.remove(a.name)
	in, err := r.spool.root.Open(a.name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return "", err
	}
	aside := path.Join(pool, a.name)
	_, sum, err := r.write(ctx, r.spool.here, a.name, in, info, func(int64) {})
	if err == nil {
		a.rec.kept = nil
		err = r.finish(ctx, r.spool.here, a, sum)
	}
	return aside, err
}

// replace renames an entry from the spool into place. It replaces a directory
// only if that is empty or Options.Delete is set. If the entry then cannot be
// renamed, replace puts the whole directory back.
func (r *run) replace(aside string, dir *os.Root, name string, e *entry) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.dest.top.Rename(fromSlash(aside), fromSlash(e.path))
	case err != nil:
		return err
	case !e.found:
		if err := r.taken(dir, e.path); err != nil {
			return err
		}
	}
	if !info.IsDir() {
		return r.dest.top.Rename(fromSlash(aside), fromSlash(e.path))
	}
	if !r.m.opts.Delete || r.tooMany != nil {
		if _, names, err := readDirAt(dir, name); err != nil || len(names) > 0 {
			if r.tooMany != nil {
				return fmt.Errorf("a directory that is not empty is in its place; %w", r.tooMany)
			}
			return errors.New("a directory that is not empty is in its place; -delete would replace it")
		}
	}
	if err := r.makeDir(e.path); err != nil { // so that it can be renamed
		return err
	}
	gone := path.Join(r.spool.inDest, "gone"+strconv.Itoa(r.spool.count))
	if err := r.dest.top.Rename(fromSlash(e.path), fromSlash(gone)); err != nil {
		return err
	}
	if err := r.dest.top.Rename(fromSlash(aside), fromSlash(e.path)); err != nil {
		return errors.Join(err, r.dest.top.Rename(fromSlash(gone), fromSlash(e.path)))
	}
	for _, d := range r.plan.inside[e.path] {
		r.countDeleted(d)
	}
	return r.removeAll(gone)
}

// readDirAt returns the device of a directory in dir, and the names in it.
func readDirAt(dir *os.Root, name string) (device uint64, names []string, err error) {
	root, err := dir.OpenRoot(name)
	if err != nil {
		return 0, nil, err
	}
	defer root.Close()
	return readDir(root)
}

// makeDir makes a directory and its parents, in place of files and links, and
// makes it writable. Its mode and time are set at the end. Until then only the user
// of this process may use a new directory.
func (r *run) makeDir(p string) error {
	if p == "." || r.ready[p] {
		return nil
	}
	if err := r.barred[p]; err != nil {
		return err
	}
	if err := r.makeDir(path.Dir(p)); err != nil {
		return err
	}
	dir, name, err := r.dest.of(p)
	if err != nil {
		return err
	}
	info, err := dir.Lstat(name)
	if err == nil && r.plan.absent[p] {
		if err := r.taken(dir, p); err != nil {
			r.barred[p] = err
			return err
		}
	}
	switch {
	case err == nil && info.IsDir():
		err = r.openUp(p, info)
	case err == nil:
		if err = dir.Remove(name); err == nil {
			err = dir.Mkdir(name, 0o700)
		}
	default:
		err = dir.Mkdir(name, 0o700)
	}
	if err == nil {
		r.ready[p] = true
		r.placed[strings.ToLower(p)] = p
	}
	return err
}

// openUp makes a directory readable and writable.
func (r *run) openUp(p string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o700 == 0o700 {
		return nil
	}
	return r.dest.top.Chmod(fromSlash(p), info.Mode()&modeBits|0o700)
}
