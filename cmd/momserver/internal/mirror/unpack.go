package mirror

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// importPackage checks the package that has arrived, and puts its entries in
// place.
func (r *run) importPackage(ctx context.Context, arrived string, size int64, sum []byte) error {
	f, err := r.dest.Open(filepath.FromSlash(arrived))
	if err != nil {
		return about(r.where(arrived), err)
	}
	defer f.Close()
	seals, err := verify(ctx, f, size, sum)
	if err != nil {
		return about(r.where(arrived), err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return about(r.where(arrived), err)
	}
	tr := tar.NewReader(untilDone{ctx, f})
	for {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF) && len(seals) == 0:
			return nil
		case errors.Is(err, errInterrupted):
			return err
		case err != nil:
			return &itemError{r.where(arrived), fmt.Errorf("the package is damaged: %w", err)}
		case len(seals) == 0:
			return &itemError{r.where(arrived), errDamaged}
		}
		name := strings.TrimSuffix(h.Name, "/")
		if !inDestination(name) {
			return &itemError{name, errors.New("the package has a path that points outside of the destination")}
		}
		entry := newSealed(h, tr)
		err = r.place(entry, h, name, func() error { return entry.check(seals[0]) })
		if errors.Is(err, errDamaged) {
			return &itemError{r.where(arrived), err}
		}
		if err != nil {
			return about(name, err)
		}
		seals = seals[1:]
	}
}

// inDestination reports whether a package may have an entry with the name: a
// plain path inside the destination and outside the spool.
func inDestination(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return name != "." && name == path.Clean(name) && filepath.IsLocal(filepath.FromSlash(name)) && !isSpool(first)
}

// place puts one entry in place. check reports whether the entry is as it was
// sent; place calls it when it has read the content.
func (r *run) place(content io.Reader, h *tar.Header, name string, check func() error) error {
	if h.Typeflag != tar.TypeReg {
		if err := check(); err != nil {
			return err
		}
	}
	if err := r.makeDir(path.Dir(name)); err != nil {
		return err
	}
	aside := filepath.FromSlash(path.Join(r.destSpool, "aside"))
	defer r.dest.Remove(aside) // the file is still there only after an error
	switch h.Typeflag {
	case tar.TypeDir:
		return r.makeDir(name)
	case tar.TypeSymlink:
		if err := r.dest.Symlink(h.Linkname, aside); err != nil {
			return err
		}
	case tar.TypeReg:
		if err := r.writeAside(aside, content, h); err != nil {
			return err
		}
		if err := check(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("an entry of type %q", h.Typeflag)
	}
	return r.replace(aside, name)
}

// writeAside writes a whole file in the spool, with its mode and time.
func (r *run) writeAside(aside string, content io.Reader, h *tar.Header) error {
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

// replace renames the file from the spool into place. It replaces a directory
// that is empty, or any directory with Delete. If the file then cannot be
// renamed, the directory comes back whole.
func (r *run) replace(aside, name string) error {
	local := filepath.FromSlash(name)
	info, err := r.dest.Lstat(local)
	if err != nil || !info.IsDir() {
		return r.dest.Rename(aside, local)
	}
	if !r.m.opts.Delete {
		if names, err := readNames(r.dest, name); err != nil || len(names) > 0 {
			return errors.New("a directory that is not empty is in its place; -delete would replace it")
		}
	}
	gone := filepath.FromSlash(path.Join(r.destSpool, "gone"))
	if err := r.makeDir(name); err != nil { // so that it can be renamed
		return err
	}
	if err := r.dest.Rename(local, gone); err != nil {
		return err
	}
	if err := r.dest.Rename(aside, local); err != nil {
		return errors.Join(err, r.dest.Rename(gone, local))
	}
	return r.removeAll(path.Join(r.destSpool, "gone"))
}
