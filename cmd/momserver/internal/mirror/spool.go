package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"mom.internal/cmd/internal/paths"
)

// This file has the spool, in which packages arrive, and the lock of the
// destination.

// spoolPrefix begins the names of the files and directories that a mirror keeps in
// a destination for itself.
const spoolPrefix = ".momspool-"

// lockName is the name of the file in a destination that locks it.
const lockName = spoolPrefix + "lock"

// isSpool reports whether only a spool or a lock can have the name. A user may
// have other names with the prefix.
func isSpool(name string) bool {
	if name == lockName {
		return true
	}
	id, ok := strings.CutPrefix(name, spoolPrefix)
	return ok && len(id) == 36 && uuid.Validate(id) == nil
}

// isStale reports whether the name is that of a spool. If no run has the lock, a
// killed run has left it.
func isStale(name string) bool { return isSpool(name) && name != lockName }

// errTaken reports that another run, perhaps of another process, works on the
// destination.
var errTaken = errors.New("another run mirrors to this destination now")

// spool is where packages arrive. It is a directory in the destination, so that
// files can be renamed from it, unless -spool names another.
type spool struct {
	path   string   // for messages
	root   *os.Root // where files arrive
	here   *os.Root // the directory in the destination; the same as root without -spool
	inDest string   // the name of here in the destination
	count  int      // number of names that were used
	away   *os.Root // the directory of -spool
}

// next returns a name for a file.
func (s *spool) next() string {
	s.count++
	return strconv.Itoa(s.count)
}

// remove removes a file.
func (s *spool) remove(name string) { s.root.Remove(name) }

// clear removes the files that were not put in place.
func (s *spool) clear() {
	for _, root := range []*os.Root{s.root, s.here} {
		if _, names, err := readDir(root); err == nil {
			for _, name := range names {
				root.RemoveAll(name)
			}
		}
	}
}

// openSpool makes the spool, and the destination if it does not exist.
func (r *run) openSpool() error {
	if r.spool.root != nil {
		return nil
	}
	if err := r.makeDest(); err != nil {
		return about(r.m.dst, err)
	}
	if err := r.takeDest(); err != nil {
		return err
	}
	s := &r.spool
	s.inDest = r.m.spoolName()
	if err := r.dest.top.Mkdir(s.inDest, 0o700); err != nil {
		return about(r.m.dst, err)
	}
	var err error
	if s.here, err = r.dest.top.OpenRoot(s.inDest); err != nil {
		return about(r.m.dst, err)
	}
	if r.m.opts.Spool == "" {
		s.path, s.root = r.where(s.inDest), s.here
		return nil
	}
	s.path = filepath.Join(r.m.opts.Spool, s.inDest)
	if s.away, err = os.OpenRoot(r.m.opts.Spool); err == nil {
		s.away.RemoveAll(s.inDest) // a killed run may have left it
		if err = s.away.Mkdir(s.inDest, 0o700); err == nil {
			s.root, err = s.away.OpenRoot(s.inDest)
		}
	}
	return about(r.m.opts.Spool, err)
}

// closeSpool removes the spool.
func (r *run) closeSpool() {
	s := &r.spool
	if s.away != nil {
		s.away.RemoveAll(s.inDest)
		s.away.Close()
		if s.root != nil {
			s.root.Close()
		}
	}
	if s.here != nil {
		s.here.Close()
		r.removeAll(s.inDest)
	}
	r.spool = spool{}
}

// makeDest makes the destination if it does not exist. No more users may use the
// new directory than the source.
func (r *run) makeDest() error {
	if r.dest.top != nil {
		return nil
	}
	info, err := r.source.top.Stat(".")
	if err != nil {
		return about(r.m.src, err)
	}
	err = os.Mkdir(r.m.dst, info.Mode().Perm()|0o700)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the directory %s does not exist: is a disk missing? If not, make it with mkdir -p", filepath.Dir(r.m.dst))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return r.openDest()
}

// openDest opens the destination. New has followed the symbolic links of its
// path, but another user may have planted one since.
func (r *run) openDest() error {
	dst, err := paths.Resolve(r.m.dst)
	if err != nil {
		return err
	}
	if r.dest.top, err = os.OpenRoot(dst.Path); err != nil {
		return err
	}
	info, err := r.dest.top.Stat(".")
	if err != nil {
		return err
	}
	system := identityOf(r.dest.top)
	if r.m.seen && r.m.system != system {
		return errors.New("the destination is on another device than in the run before: is a disk missing? Nothing is mirrored; start momserver again if this is right")
	}
	r.m.seen, r.m.system = true, system
	r.m.index.settleIn(place{deviceOf(info), inodeOf(info)})
	return nil
}

// takeDest keeps other runs off the destination until this one ends, and
// removes spools that killed runs have left.
func (r *run) takeDest() error {
	if r.lock != nil {
		return nil
	}
	lock, err := lockDir(r.dest.top)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: a run needs room for one more file, the lock of the destination; remove a file there", plain(err))
	}
	if err != nil {
		return about(r.m.dst, err)
	}
	r.lock = lock
	if err := r.freeAbove(); err != nil {
		return err
	}
	_, names, _ := readDir(r.dest.top)
	for _, name := range names {
		if isStale(name) {
			r.removeAll(name)
		}
	}
	if r.staleAway() {
		if away, err := os.OpenRoot(r.m.opts.Spool); err == nil {
			away.RemoveAll(r.m.spoolName())
			away.Close()
		}
	}
	return nil
}

// staleAway reports whether a killed run has left a spool in the directory of -spool.
func (r *run) staleAway() bool {
	if r.m.opts.Spool == "" {
		return false
	}
	_, err := os.Lstat(filepath.Join(r.m.opts.Spool, r.m.spoolName()))
	return err == nil
}

// staleLock reports whether a killed run has left its lock, the last thing that a run
// removes. names are those at the top of the destination.
func (r *run) staleLock(names []string) bool {
	if !slices.Contains(names, lockName) {
		return false
	}
	_, held := heldBy(r.dest.top)
	return !held
}

// freeAbove returns an error if another run works on a directory that the
// destination is in.
func (r *run) freeAbove() error {
	for dir := filepath.Dir(r.m.dst); ; dir = filepath.Dir(dir) {
		if err := freeDir(os.OpenRoot(dir)); err != nil {
			return err
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// freeBelow returns an error if another run works on a directory in the
// destination. This run takes its own lock first, so that of two runs that begin at
// once at least one sees the other.
func (r *run) freeBelow() error {
	for _, e := range r.plan.dirs {
		if r.plan.absent[e.path] { // a link may be in its place
			continue
		}
		name := path.Join(e.path, lockName)
		if _, err := r.dest.top.Lstat(fromSlash(name)); err == nil {
			if err := freeDir(openDir(r.dest.top, e.path)); err != nil {
				return err
			}
		}
	}
	for _, d := range r.plan.doomed {
		if path.Base(d.path) == lockName {
			if err := freeDir(openDir(r.dest.top, path.Dir(d.path))); err != nil {
				return err
			}
		}
	}
	return nil
}

// freeDir returns an error if a run works on the directory, which it closes. A
// directory that cannot be opened counts as free.
func freeDir(dir *os.Root, err error) error {
	if err != nil {
		return nil
	}
	defer dir.Close()
	if by, held := heldBy(dir); held {
		return &itemError{dir.Name(), fmt.Errorf("%w%s", errTaken, by)}
	}
	return nil
}
