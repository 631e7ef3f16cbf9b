package mirror

import (
	"errors"
	"path/filepath"
)

// An empty source, or a directory on another device than before, may be a disk
// that is not mounted. Absence is then no reason to delete.

// aboveSource is the key of whether the source is a mount point: 1 if it is.
const aboveSource = ".."

// absence returns an error if the source may not be all there, so that nothing
// may be deleted.
func (r *run) absence() error {
	r.plan.mounts[aboveSource] = 0
	if r.mounted {
		r.plan.mounts[aboveSource] = 1
	}
	if !r.m.opts.Delete {
		return nil
	}
	if r.plan.entries == 0 && len(r.plan.doomed)+len(r.plan.stuck) > 0 {
		return &itemError{r.m.src, errors.New("the source is empty, and the destination is not: is a disk missing? Nothing is deleted; if the source is meant to be empty, empty the destination by hand")}
	}
	before, now := r.m.index.mounts, r.plan.mounts
	sameBoot := r.m.index.boot != "" && r.m.index.boot == bootID()
	for p, system := range before {
		if p == aboveSource || r.m.excludes(p, true) {
			continue
		}
		at, is := now[p]
		switch {
		case p == "." && !sameBoot: // file systems may have other numbers, but a mount point is one
			is = before[aboveSource] == 0 || now[aboveSource] == 1
		case sameBoot && at != system:
			is = false
		}
		if !is {
			return &itemError{filepath.Join(r.m.src, fromSlash(p)), errors.New("it is not on the device that it was on in the run before: is a disk missing? Nothing is mirrored or deleted; if this is right, run once without -delete")}
		}
	}
	return nil
}
