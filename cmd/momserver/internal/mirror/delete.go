package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
)

// doomed is an entry of the destination that the source does not have.
type doomed struct {
	path string
	dir  bool
	at   place // of a directory
}

// doomOthers adds to the plan the entries of a directory that the source does not
// have.
func (r *run) doomOthers(d *destDir) {
	for i, name := range d.names {
		info := d.infos[i]
		if info == nil || d.knows(name) || slices.Contains(d.spelled, name) || d.dir == "." && isSpool(name) || name == lostFound && r.isTop(d.dir, d.device) {
			continue
		}
		r.doom(d.root, path.Join(d.dir, name), info)
	}
}

// doom adds to the plan that an entry, and everything in it, is deleted. It reports
// whether all of that can be deleted. Entries that are excluded stay, and so do
// mount points, because what is mounted there may be in use elsewhere.
func (r *run) doom(dir *os.Root, p string, info fs.FileInfo) (whole bool) {
	if r.m.excludes(p, info.IsDir()) {
		return false
	}
	if !info.IsDir() {
		r.plan.destFiles++
		r.plan.doomedFiles++
		r.plan.doomed = append(r.plan.doomed, doomed{path: p})
		return true
	}
	if os.SameFile(info, r.srcInfo) { // by a bind mount
		r.plan.stuck = append(r.plan.stuck, &itemError{r.where(p), errors.New("cannot delete: it is the source")})
		return false
	}
	root, names, err := r.lookInto(dir, p, info)
	if err != nil {
		r.plan.stuck = append(r.plan.stuck, &itemError{r.where(p), fmt.Errorf("cannot delete: %w", plain(err))})
		return false
	}
	defer root.Close()
	if above, err := dir.Stat("."); err != nil || deviceOf(above) != deviceOf(info) || mountOf(dir) != mountOf(root) {
		return false
	}
	whole = true
	for _, name := range names {
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !r.doom(root, path.Join(p, name), info) {
			whole = false
		}
	}
	if whole {
		r.plan.doomed = append(r.plan.doomed, doomed{p, true, place{deviceOf(info), inodeOf(info)}})
	}
	return whole
}

// lookInto opens and lists a directory of the destination. It makes the directory
// readable first if that is necessary.
func (r *run) lookInto(dir *os.Root, p string, info fs.FileInfo) (root *os.Root, names []string, err error) {
	for range 2 {
		if root, err = dir.OpenRoot(path.Base(p)); err == nil {
			if _, names, err = readDir(root); err == nil {
				return root, names, nil
			}
			root.Close()
		}
		if !errors.Is(err, fs.ErrPermission) || r.m.opts.DryRun != nil || r.takeDest() != nil || r.openUp(p, info) != nil {
			break
		}
	}
	return nil, nil, err
}

// doomInside counts what is in a directory that a file or a link of the source
// replaces. The error says why the directory cannot be deleted as a whole.
func (r *run) doomInside(dir *os.Root, p string, info fs.FileInfo) error {
	before, stuck := len(r.plan.doomed), len(r.plan.stuck)
	whole := r.doom(dir, p, info)
	r.plan.inside[p] = slices.Clone(r.plan.doomed[before:])
	r.plan.doomed = r.plan.doomed[:before]
	if len(r.plan.stuck) > stuck {
		r.plan.stuck = r.plan.stuck[:stuck]
		return errors.New("a directory that cannot be read is in its place")
	}
	if !whole {
		return errors.New("a directory with entries that are excluded, or on another file system, is in its place")
	}
	return nil
}

// tooManyDoomed returns an error if more would be deleted than -max-delete
// allows.
func (r *run) tooManyDoomed() error {
	p := &r.plan
	if r.m.opts.MaxDelete == nil || r.m.opts.MaxDelete.Allows(p.doomedFiles, p.destFiles) {
		return nil
	}
	return fmt.Errorf("nothing is deleted: %d of %d files at the destination are not in the source, which is more than -max-delete %s allows; if this is right, run once with a higher -max-delete",
		p.doomedFiles, p.destFiles, r.m.opts.MaxDelete)
}

// deleteGone deletes the entries that the source does not have. If an entry cannot
// be deleted, the others are deleted all the same.
func (r *run) deleteGone(ctx context.Context) error {
	var opened string
	var bad []error
	for _, d := range r.plan.doomed {
		if err := interrupted(ctx); err != nil {
			return err
		}
		dir, name, err := r.dest.of(d.path)
		if err == nil && r.dest.dir != opened { // so that entries can be removed from it
			opened = r.dest.dir
			err = r.makeWritable(path.Dir(d.path))
		}
		if err == nil {
			err = dir.Remove(name)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			bad = append(bad, &itemError{r.where(d.path), fmt.Errorf("cannot delete: %w", plain(err))})
		default:
			r.countDeleted(d)
		}
	}
	return r.report(append(bad, r.plan.stuck...))
}

// countDeleted counts an entry that was deleted.
func (r *run) countDeleted(d doomed) {
	r.result.Deleted++
	if !d.dir {
		r.job.Deleted(1)
	}
}

// makeWritable makes a directory of the destination writable.
func (r *run) makeWritable(p string) error {
	if p == "." {
		return nil
	}
	info, err := r.dest.top.Lstat(fromSlash(p))
	if err != nil {
		return err
	}
	return r.openUp(p, info)
}

// removeAll removes p and everything in it, read-only directories too.
func (r *run) removeAll(p string) error {
	err := r.dest.top.RemoveAll(fromSlash(p))
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err := r.openAll(p); err != nil {
		return err
	}
	return r.dest.top.RemoveAll(fromSlash(p))
}

// openAll makes p and the directories in it writable.
func (r *run) openAll(p string) error {
	info, err := r.dest.top.Lstat(fromSlash(p))
	if err != nil || !info.IsDir() {
		return err
	}
	if err := r.openUp(p, info); err != nil {
		return err
	}
	root, err := openDir(r.dest.top, p)
	if err != nil {
		return err
	}
	defer root.Close()
	_, names, err := readDir(root)
	for _, name := range names {
		if err == nil {
			err = r.openAll(path.Join(p, name))
		}
	}
	return err
}
