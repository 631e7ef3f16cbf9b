package mirror

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// An empty source, or a directory on another device than before, may be a disk
// that is not mounted. Then an entry that is missing in the source must not be
// deleted.

// aboveSource is a key of plan.mounts. Its value is not the number of a device, but the
// sum of those of mountPoint and apart that apply to the source, because a device may
// have another number after a reboot.
const aboveSource = ".."

const (
	mountPoint = 1 << iota // the source is a mount point
	apart                  // the source is not on the file system of /
)

// absence returns an error if the source may be incomplete, so that nothing may be
// deleted.
func (r *run) absence() error {
	r.plan.mounts[aboveSource] = r.mounted
	if !r.m.opts.Delete {
		return nil
	}
	if r.plan.entries == 0 && len(r.plan.doomed)+len(r.plan.stuck) > 0 {
		return &itemError{r.m.src, errors.New("the source is empty, and the destination is not: is a disk missing? Nothing is deleted; if the source is meant to be empty, empty the destination by hand")}
	}
	if d, p := r.doomedSource(); p != "" {
		return &itemError{r.where(d), fmt.Errorf("nothing is deleted, because it is the same directory as %s: is there a bind mount? Unmount it, or exclude /%s", filepath.Join(r.m.src, fromSlash(p)), d)}
	}
	if p := r.movedMount(); p != "" {
		return &itemError{filepath.Join(r.m.src, fromSlash(p)), errors.New("it is not on the device that it was on in the run before: is a disk missing? Nothing is mirrored or deleted; if this is right, run once without -delete")}
	}
	return nil
}

// doomedSource looks for a directory of the destination that is to be deleted and that
// is also a directory of the source, by a bind mount. It returns the paths in the
// destination and in the source, or "" and "" if there is no such directory.
func (r *run) doomedSource() (doomed, source string) {
	at := make(map[place]string)
	for _, d := range r.plan.doomed {
		at[d.at] = d.path
	}
	for _, inside := range r.plan.inside {
		for _, d := range inside {
			at[d.at] = d.path
		}
	}
	for _, e := range r.plan.dirs {
		if here := (place{deviceOf(e.info), inodeOf(e.info)}); here != (place{}) && at[here] != "" {
			return at[here], e.path
		}
	}
	return "", ""
}

// movedMount returns the path of a directory of the source that is on another
// device than in the run before, or "" if there is none.
func (r *run) movedMount() string {
	before, now := r.m.index.mounts, r.plan.mounts
	sameBoot := r.m.index.boot != "" && r.m.index.boot == bootID()
	for p, system := range before {
		if p == aboveSource || r.excludesAbove(p) {
			continue
		}
		at, is := now[p]
		switch {
		case p == "." && !sameBoot:
			is = before[aboveSource]&^now[aboveSource] == 0
		case sameBoot && at != system:
			is = false
		}
		if !is {
			return p
		}
	}
	for p := range now {
		if _, was := before[p]; !was && before != nil && p != aboveSource && r.dooms(p) {
			return p
		}
	}
	return ""
}

// keepMounts keeps what earlier runs have recorded of a directory that cannot be read,
// and of the directories in it, because a disk there may be missing in the next run.
func (r *run) keepMounts(dir string) {
	for p, system := range r.m.index.mounts {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			r.plan.mounts[p] = system
		}
	}
}

// dooms reports whether something in the directory of the destination is to be
// deleted.
func (r *run) dooms(dir string) bool {
	return slices.ContainsFunc(r.plan.doomed, func(d doomed) bool { return strings.HasPrefix(d.path, dir+"/") })
}

// excludesAbove reports whether the directory, or one that it is in, is excluded.
func (r *run) excludesAbove(p string) bool {
	for ; p != "."; p = path.Dir(p) {
		if r.m.excludes(p, true) {
			return true
		}
	}
	return false
}
