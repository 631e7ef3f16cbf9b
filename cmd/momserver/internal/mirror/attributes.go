package mirror

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"
)

// stamp is a time of a file, of any year.
type stamp struct{ sec, nsec int64 }

// never is a time that no file has.
var never = stamp{nsec: -1}

func stampOf(t time.Time) stamp { return stamp{t.Unix(), int64(t.Nanosecond())} }

func (s stamp) time() time.Time { return time.Unix(s.sec, s.nsec) }

// attributes are what is mirrored besides the content.
type attributes struct {
	mode fs.FileMode
	time stamp
}

// wanted returns the attributes that the entry gets at the destination.
func wanted(info fs.FileInfo) attributes { return attributes{modeOf(info), stampOf(info.ModTime())} }

// attributesOf returns the attributes that an entry of the destination has.
func attributesOf(info fs.FileInfo) attributes {
	return attributes{info.Mode() & modeBits, stampOf(info.ModTime())}
}

// dress gives the file or directory that is open the attributes of an entry, and
// reads back what the file system has made of them.
func (r *run) dress(f *os.File, a *arrival) error {
	want := wanted(a.entry.info)
	failed := f.Chmod(want.mode)
	if failed == nil || unkeepable(failed) {
		failed = cmp.Or(setTime(f, want.time), failed)
	}
	if failed != nil && !unkeepable(failed) {
		return failed
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	got := attributesOf(info)
	if got == want {
		return nil
	}
	a.rec.kept = &kept{want, got}
	if failed != nil && !ownerRuns(info) {
		r.warn(a.entry.path, "its mode and time cannot be set, because another user owns it at the destination: "+plain(failed).Error())
	} else {
		r.tellKept(a.entry.path, want, got)
	}
	return nil
}

// unkeepable reports whether an error means that the file system has no such
// attributes.
func unkeepable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}

// told is a set of the kinds of things that a destination does not keep and that
// were logged, each once.
type told uint32

const (
	toldTimes told = 1 << iota
	toldModes
	toldLinks
	toldBits
	toldNames
	toldOwners
	toldExtended
)

// once reports whether the kind was not logged yet for this destination, and
// records that it was.
func (r *run) once(kind told) bool {
	if r.m.index.told&kind != 0 {
		return false
	}
	r.m.index.told |= kind
	r.m.index.changed = true
	return true
}

// tellKept warns of attributes that the destination has not kept.
func (r *run) tellKept(p string, want, got attributes) {
	if want.time != got.time && r.once(toldTimes) {
		r.warn(p, fmt.Sprintf("the file system of %s does not keep every time: %s became %s; such files count as unchanged from now on",
			r.m.dst, want.time.time().UTC().Format(time.RFC3339Nano), got.time.time().UTC().Format(time.RFC3339Nano)))
	}
	if want.mode != got.mode && r.once(toldModes) {
		r.warn(p, fmt.Sprintf("the file system of %s does not keep every mode: %v became %v; such files count as unchanged from now on", r.m.dst, want.mode, got.mode))
	}
}

// notKept warns of the things that are never mirrored, once for each kind, if a
// file of the source has them.
func (r *run) notKept(p string, f *os.File, info fs.FileInfo) {
	if info.Mode()&modeBits != modeOf(info) && r.once(toldBits) {
		r.warn(p, "setuid and setgid bits of files that another user or group owns are not mirrored")
	}
	if namesOf(info) > 1 && r.once(toldNames) {
		r.warn(p, "it has several names (hard links); each is mirrored as a file of its own")
	}
	if !ownerRuns(info) && r.once(toldOwners) {
		r.warn(p, "owners and groups are not mirrored; at the destination everything belongs to the user who runs momserver")
	}
	if r.m.index.told&toldExtended == 0 && hasExtended(f) && r.once(toldExtended) {
		r.warn(p, "extended attributes and access control lists are not mirrored")
	}
}

// settle sets the modes and times of the directories, the deepest first.
func (r *run) settle() {
	r.dest.forget()
	dirs := r.standing()
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := r.settleDir(&dirs[i]); err != nil {
			r.unsettled = append(r.unsettled, about(r.where(dirs[i].path), err))
		}
	}
}

func (r *run) settleDir(e *entry) error {
	info, err := r.dest.top.Lstat(fromSlash(e.path))
	if err != nil {
		return err
	}
	known := r.m.index.of(e.path)
	if known.keeps(*e, info) {
		r.m.index.put(e.path, known)
		return nil
	}
	f, err := r.dest.top.Open(fromSlash(e.path))
	if err != nil {
		return err
	}
	defer f.Close()
	a := &arrival{entry: e, rec: record{spelled: known.spelled}}
	if err := r.dress(f, a); err != nil {
		return err
	}
	r.m.index.put(e.path, a.rec)
	return nil
}

// standing returns the directories of the source that are directories at the
// destination. The others have vanished, or have a file or a link in their place
// because a package failed. Such a link must not be followed.
func (r *run) standing() []entry {
	var dirs []entry
	stands := map[string]bool{".": true}
	for _, e := range r.plan.dirs {
		if !stands[path.Dir(e.path)] || r.barred[e.path] != nil {
			continue
		}
		info, err := r.dest.top.Lstat(fromSlash(e.path))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			continue
		}
		if err == nil && info.Mode().Perm()&0o500 != 0o500 { // so that it can be read
			err = r.openUp(e.path, info)
		}
		if err != nil {
			r.unsettled = append(r.unsettled, about(r.where(e.path), err))
			continue
		}
		stands[e.path] = true
		dirs = append(dirs, e)
	}
	return dirs
}
