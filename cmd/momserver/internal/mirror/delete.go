package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
)

// deleteGone deletes entries that the source does not have. An entry that the
// source has but that could not be read stays.
func (r *run) deleteGone(ctx context.Context) error {
	unread := make(map[string]bool)
	for _, e := range r.tree.unreadable {
		unread[e.item] = true
	}
	return r.deleteIn(ctx, ".", unread)
}

func (r *run) deleteIn(ctx context.Context, dir string, unread map[string]bool) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	names, err := readNames(r.dest, dir)
	if errors.Is(err, fs.ErrPermission) {
		if err = r.makeDir(dir); err == nil { // so that it can be read
			names, err = readNames(r.dest, dir)
		}
	}
	if err != nil {
		return about(r.where(dir), err)
	}
	for _, name := range names {
		p := path.Join(dir, name)
		if dir == "." && isSpool(name) || unread[p] {
			continue
		}
		if !r.tree.known[p] {
			if err := r.deleteOne(dir, p); err != nil {
				return err
			}
			continue
		}
		if info, err := r.dest.Lstat(filepath.FromSlash(p)); err == nil && info.IsDir() {
			if err := r.deleteIn(ctx, p, unread); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) deleteOne(dir, p string) error {
	err := r.makeDir(dir) // so that entries can be removed from it
	if err == nil {
		err = r.removeAll(p)
	}
	if err != nil {
		return &itemError{r.where(p), fmt.Errorf("cannot delete: %w", plain(err))}
	}
	r.result.Deleted++
	r.job.Deleted(1)
	return nil
}

// removeAll removes p and everything in it, read-only directories too.
func (r *run) removeAll(p string) error {
	err := r.dest.RemoveAll(filepath.FromSlash(p))
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err := r.openAll(p); err != nil {
		return err
	}
	return r.dest.RemoveAll(filepath.FromSlash(p))
}

// openAll makes p and the directories in it writable.
func (r *run) openAll(p string) error {
	info, err := r.dest.Lstat(filepath.FromSlash(p))
	if err != nil || !info.IsDir() {
		return err
	}
	if err := r.openUp(p, info); err != nil {
		return err
	}
	names, err := readNames(r.dest, p)
	for _, name := range names {
		if err == nil {
			err = r.openAll(path.Join(p, name))
		}
	}
	return err
}
