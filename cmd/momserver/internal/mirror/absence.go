package mirror

import (
	"errors"
	"path/filepath"
)

// An empty source, or a directory on another device than before, may be a disk
// that is not mounted. Absence is then no reason to delete.

// aboveSource is the key of the device of the directory that the source is in.
const aboveSource = ".."

// absence returns an error if the source may not be all there, so that nothing
// may be deleted.
func (r *run) absence() error {
	r.plan.mounts[aboveSource] = r.above
	if !r.m.opts.Delete {
		return nil
	}
	if r.plan.entries == 0 && len(r.plan.doomed)+len(r.plan.stuck) > 0 {
		return &itemError{r.m.src, errors.New("the source is empty, and the destination is not: is a disk missing? Nothing is deleted; if the source is meant to be empty, empty the destination by hand")}
	}
	before, now := r.m.index.mounts, r.plan.mounts
	sameBoot := r.m.index.boot != "" && r.m.index.boot == bootID()
	for p, device := range before {
		if p == aboveSource || r.m.excludes(p, true) {
			continue
		}
		at, is := now[p]
		switch {
		case p == "." && !sameBoot: // devices have other numbers, but a mount point is one
			is = before[p] == before[aboveSource] || at != now[aboveSource]
		case sameBoot && at != device:
			is = false
		}
		if !is {
			return &itemError{filepath.Join(r.m.src, fromSlash(p)), errors.New("it is not on the device that it was on in the run before: is a disk missing? Nothing is mirrored or deleted; if this is right, run once without -delete")}
		}
	}
	return nil
}
