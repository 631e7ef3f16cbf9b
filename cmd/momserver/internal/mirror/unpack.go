package mirror

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// importPackage checks the package that arrived and puts its entries in place.
func (r *run) importPackage(arrived string, size int64, sum []byte) error {
	f, err := r.dest.Open(filepath.FromSlash(arrived))
	if err != nil {
		return &itemError{r.where(arrived), plain(err)}
	}
	defer f.Close()
	if err := r.verify(f, size, sum); err != nil {
		return &itemError{r.where(arrived), plain(err)}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &itemError{r.where(arrived), fmt.Errorf("the package is damaged: %w", err)}
		}
		name := strings.TrimSuffix(h.Name, "/")
		if !filepath.IsLocal(filepath.FromSlash(name)) || strings.HasPrefix(name, spoolPrefix) {
			return &itemError{name, errors.New("a path that points outside of the destination")}
		}
		if err := r.place(tr, h, name); err != nil {
			return &itemError{name, plain(err)}
		}
	}
}

// place puts one entry in place of what is there.
func (r *run) place(content io.Reader, h *tar.Header, name string) error {
	if err := r.makeDir(path.Dir(name)); err != nil {
		return err
	}
	aside := filepath.FromSlash(path.Join(r.destPool, "aside"))
	switch h.Typeflag {
	case tar.TypeDir:
		return r.makeDir(name)
	case tar.TypeSymlink:
		r.dest.Remove(aside)
		if err := r.dest.Symlink(h.Linkname, aside); err != nil {
			return err
		}
	case tar.TypeReg:
		if err := r.writeAside(aside, content, h); err != nil {
			return err
		}
	default:
		return fmt.Errorf("an entry of type %q", h.Typeflag)
	}
	if err := r.clear(name); err != nil {
		return err
	}
	return r.dest.Rename(aside, filepath.FromSlash(name))
}

// writeAside writes a file in the spool, whole, with its mode and time.
func (r *run) writeAside(aside string, content io.Reader, h *tar.Header) error {
	r.dest.Remove(aside)
	f, err := r.dest.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, content)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && n != h.Size {
		err = fmt.Errorf("%d bytes of %d", n, h.Size)
	}
	if err == nil {
		err = r.dest.Chmod(aside, h.FileInfo().Mode()&modeBits)
	}
	if err == nil {
		err = r.dest.Chtimes(aside, h.ModTime, h.ModTime)
	}
	return err
}

// clear makes way for a file or link: a directory goes when it is empty, or
// when what is gone from the source is to be deleted.
func (r *run) clear(name string) error {
	info, err := r.dest.Lstat(filepath.FromSlash(name))
	if err != nil || !info.IsDir() {
		return nil // nothing there, or what rename replaces
	}
	if r.m.opts.Delete {
		return r.dest.RemoveAll(filepath.FromSlash(name))
	}
	if err := r.dest.Remove(filepath.FromSlash(name)); err != nil {
		return errors.New("a directory that is not empty stands in its place; -delete would replace it")
	}
	return nil
}

// makeDir makes a directory and those above it, in place of files and links,
// and sees that it can be written to. Its mode and time are set at the end.
func (r *run) makeDir(name string) error {
	if name == "." {
		return nil
	}
	if err := r.makeDir(path.Dir(name)); err != nil {
		return err
	}
	local := filepath.FromSlash(name)
	info, err := r.dest.Lstat(local)
	if err == nil && info.IsDir() {
		if info.Mode().Perm()&0o700 != 0o700 {
			return r.dest.Chmod(local, info.Mode()&modeBits|0o700)
		}
		return nil
	}
	if err == nil {
		if err := r.dest.Remove(local); err != nil {
			return err
		}
	}
	return r.dest.Mkdir(local, 0o777)
}

// deleteGone deletes what the source does not have. What the source has but
// could not be read stays.
func (r *run) deleteGone() error {
	return r.deleteIn(".")
}

func (r *run) deleteIn(dir string) error {
	names, err := readNames(r.dest, dir)
	if err != nil {
		return &itemError{r.where(dir), plain(err)}
	}
	for _, name := range names {
		p := path.Join(dir, name)
		if dir == "." && strings.HasPrefix(name, spoolPrefix) || r.unread(p) {
			continue
		}
		if !r.tree.known[p] {
			if err := r.deleteOne(dir, p); err != nil {
				return err
			}
			continue
		}
		if info, err := r.dest.Lstat(filepath.FromSlash(p)); err == nil && info.IsDir() {
			if err := r.deleteIn(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) deleteOne(dir, p string) error {
	err := r.makeDir(dir) // so that it can be written to
	if err == nil {
		err = r.dest.RemoveAll(filepath.FromSlash(p))
	}
	if err != nil {
		return &itemError{r.where(p), fmt.Errorf("cannot delete: %w", plain(err))}
	}
	r.result.Deleted++
	return nil
}

// unread reports whether the scan could not read p.
func (r *run) unread(p string) bool {
	for _, e := range r.tree.unreadable {
		if e.item == p || e.item == "." {
			return true
		}
	}
	return false
}

// settle gives the directories the modes and times of the source's, the
// deepest first.
func (r *run) settle() error {
	for i := len(r.tree.entries) - 1; i >= 0; i-- {
		e := r.tree.entries[i]
		if !e.info.IsDir() {
			continue
		}
		name := filepath.FromSlash(e.path)
		info, err := r.dest.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it vanished, or its package failed
		}
		if err == nil && info.Mode()&modeBits != e.info.Mode()&modeBits {
			err = r.dest.Chmod(name, e.info.Mode()&modeBits)
		}
		if err == nil && !info.ModTime().Equal(e.info.ModTime()) {
			err = r.dest.Chtimes(name, e.info.ModTime(), e.info.ModTime())
		}
		if err != nil {
			return &itemError{r.where(e.path), plain(err)}
		}
	}
	return nil
}
