package mirror

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// pool.go keeps the spool at the destination, and the destination to one run.

// spoolPrefix begins the name of a spool at the top of a destination; a UUID
// follows.
const spoolPrefix = ".momspool-"

// isSpool reports whether name is one that only a spool has. What else begins so
// is somebody's own.
func isSpool(name string) bool {
	id, ok := strings.CutPrefix(name, spoolPrefix)
	return ok && len(id) == 36 && uuid.Validate(id) == nil
}

// errTaken is a destination that another run works on, of whichever process.
var errTaken = errors.New("another run mirrors to this destination now")

// openPool makes the destination and a spool in it.
func (r *run) openPool() error {
	if r.pool != "" {
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
	r.pool = pool
	return nil
}

// makeDest makes the destination, open to no more people than the source is.
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
	r.dest, err = os.OpenRoot(r.m.dst)
	return err
}

// takeDest keeps other runs off the destination until the end of this one, and
// removes what a run that was killed has left there.
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
		if isSpool(name) {
			r.removeAll(name)
		}
	}
	return nil
}

func (r *run) closePool() {
	if r.pool != "" {
		r.removeAll(r.pool)
		r.pool = ""
	}
}
