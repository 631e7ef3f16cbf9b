package mirror

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"mom.internal/cmd/internal/paths"
)

// This file has the spool at the destination, and the lock of the destination.

// spoolPrefix is the beginning of the name of a spool in a destination. A UUID
// follows.
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

// errTaken reports that another run, perhaps of another process, works on the
// destination.
var errTaken = errors.New("another run mirrors to this destination now")

// openSpool makes the destination and a spool in it.
func (r *run) openSpool() error {
	if r.destSpool != "" {
		return nil
	}
	if r.dest == nil {
		if err := r.makeDest(); err != nil {
			return about(r.m.dst, err)
		}
	}
	if err := r.takeDest(); err != nil {
		return err
	}
	pool := spoolPrefix + uuid.NewString()
	if err := r.dest.Mkdir(pool, 0o700); err != nil {
		return about(r.m.dst, err)
	}
	r.destSpool = pool
	return nil
}

// makeDest makes the destination. It is open to no more users than the source
// is.
func (r *run) makeDest() error {
	info, err := r.source.Stat(".")
	if err != nil {
		return about(r.m.src, err)
	}
	if err := os.MkdirAll(filepath.Dir(r.m.dst), 0o777); err != nil {
		return err
	}
	if err := os.Mkdir(r.m.dst, info.Mode().Perm()|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
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
	r.dest, err = os.OpenRoot(dst.Path)
	return err
}

// takeDest keeps other runs off the destination until this one ends, and
// removes spools that killed runs have left.
func (r *run) takeDest() error {
	if r.lock != nil {
		return nil
	}
	lock, err := lockDir(r.dest)
	if err != nil {
		return about(r.m.dst, err)
	}
	r.lock = lock
	names, _ := readNames(r.dest, ".")
	for _, name := range names {
		if isSpool(name) && name != lockName {
			r.removeAll(name)
		}
	}
	return nil
}

func (r *run) closePool() {
	if r.destSpool != "" {
		r.removeAll(r.destSpool)
		r.destSpool = ""
	}
}
