// Package mirror mirrors one directory to another through the nine states of a
// MoM job: it scans both, exports what changed into packages (tar files),
// transfers each to a spool at the destination, imports it from there, and
// deletes what is gone when told to.
//
// At the destination a file is written aside in the spool, checked, given its
// mode and time, and renamed into place, so that at any moment the destination
// holds whole files only, old or new, also when the process is killed.
// Everything there goes through an os.Root: no path in a package reaches
// outside. One run at a time works on a destination.
//
// Mirrored are regular files, directories and symbolic links (as links, never
// followed), with permissions and modification times. Owners, hard links as
// such, extended attributes, the times of links, and the mode and time of the
// destination itself are not. Setuid and setgid bits of files are, where the
// file's owner is who runs the mirroring; else they would lend a stranger's
// file its rights. Sockets, devices and the like are skipped with a warning.
//
// A file counts as unchanged by its size, time and mode. So a destination whose
// file system rounds times gets every file again in every run. Nothing is
// synced to disk: what the destination holds after its machine has crashed is
// up to its file system.
package mirror

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
)

// Options sets how a pair is mirrored. All bounds must be set.
type Options struct {
	PackageFiles    int   // entries of one package
	PackageBytes    int64 // bytes of the files of one package; a larger file is a package of its own
	Bandwidth       int64 // bytes a second of the transfer; 0 for no limit
	Delete          bool  // delete at the destination what is not at the source
	ContinueOnError bool  // go on past a failed package, and past what cannot be read
}

// Mirror mirrors one source to one destination, run after run.
type Mirror struct {
	srv  *momserver.Server
	opts Options
	src  string // absolute
	dst  string // absolute
	last time.Time
}

// Result is what a run did.
type Result struct {
	Packages int    // imported
	Failed   int    // packages that failed
	Skipped  int    // entries that kept changing or, with ContinueOnError, could not be read
	Files    int    // files and links imported
	Bytes    int64  // bytes transferred
	Deleted  int    // entries deleted, directories with all in them as one
	Notes    []Note // what subscribers were warned of, the first of it
}

// Note is a warning, or an error that did not end the run.
type Note struct {
	Item    string // "" for none
	Message string
	Error   bool
}

// maxNotes bounds a Result's notes.
const maxNotes = 20

// Clean reports whether all was mirrored.
func (r Result) Clean() bool { return r.Failed == 0 && r.Skipped == 0 }

// New returns a Mirror from src to dst. It refuses pairs that would mirror or
// delete themselves.
func New(srv *momserver.Server, src, dst string, opts Options) (*Mirror, error) {
	m := &Mirror{srv: srv, opts: opts}
	var err error
	if m.src, err = resolve(src); err != nil {
		return nil, err
	}
	if m.dst, err = resolve(dst); err != nil {
		return nil, err
	}
	if m.src == m.dst {
		return nil, fmt.Errorf("source and destination are the same directory: %s", m.src)
	}
	if _, inside := within(m.dst, m.src); inside && opts.Delete {
		return nil, fmt.Errorf("the source %s is inside the destination %s: -delete would delete it", m.src, m.dst)
	}
	return m, nil
}

// resolve returns path absolute and without links, as far as it exists.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for dir := abs; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest), nil
		}
		if dir == filepath.Dir(dir) {
			return abs, nil
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// within returns path relative to dir, and whether it lies inside it.
func within(dir, path string) (string, bool) {
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) || rel == "." {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// excluded is the destination's path inside the source, "" where it is not.
func (m *Mirror) excluded() string {
	rel, _ := within(m.src, m.dst)
	return rel
}

// Overlaps reports whether the two have one destination, or one in the other's,
// so that each would replace or delete what the other mirrors.
func (m *Mirror) Overlaps(other *Mirror) bool {
	_, inside := within(m.dst, other.dst)
	_, around := within(other.dst, m.dst)
	return inside || around || m.dst == other.dst
}

// DeletesFrom reports whether the mirror, which deletes, would delete the
// other's source, or what is in it.
func (m *Mirror) DeletesFrom(other *Mirror) bool {
	_, inside := within(m.dst, other.src)
	_, around := within(other.src, m.dst)
	return m.opts.Delete && (inside || around || m.dst == other.src)
}

// Source returns the source, absolute.
func (m *Mirror) Source() string { return m.src }

// Destination returns the destination, absolute.
func (m *Mirror) Destination() string { return m.dst }

// Name is the job's name, as "site to staging".
func (m *Mirror) Name() string { return filepath.Base(m.src) + " to " + filepath.Base(m.dst) }

// JobID is the same for the same source and destination, whenever and by
// whichever process.
func (m *Mirror) JobID() uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("mom:"+m.src+"\x00"+m.dst))
}
