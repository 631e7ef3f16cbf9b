// Package mirror mirrors one directory to another through the nine states of a
// MoM job. It scans both, exports changed files into packages (tar files),
// transfers each package to a spool at the destination, imports it from there, and
// deletes entries that are gone, if Options say so. Only momserver uses it.
//
// At the destination a file is written in the spool, checked, given its mode and
// time, and renamed into place. So the destination has only whole files at any
// moment, old or new, even if the process is killed. All access is by an os.Root,
// so that no path in a package reaches outside. Only one run at a time works on a
// destination.
//
// The package mirrors regular files, directories and symbolic links (as links,
// never followed), with permissions and modification times. It does not mirror
// owners, hard links as such, extended attributes, the times of links, nor the mode
// and time of the destination itself. It mirrors setuid and setgid bits only of
// files that the user of this process owns, because otherwise another user's file
// would get the rights of this user. Sockets, devices and the like are skipped with
// a warning.
//
// A file counts as unchanged if its size, time and mode are the same. So a
// destination whose file system rounds times gets every file again in every run.
// Nothing is synced to the disk: after a crash of the machine, the content of the
// destination depends on its file system.
package mirror

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/internal/paths"
	"mom.internal/momserver"
)

// Options configure a Mirror. All bounds must be set.
type Options struct {
	PackageFiles    int   // entries in a package
	PackageBytes    int64 // bytes of the files in a package; a larger file gets a package of its own
	Bandwidth       int64 // bytes per second of the transfer; 0 for no limit
	Delete          bool  // delete files at the destination that the source does not have
	ContinueOnError bool  // go on after failed packages and unreadable files
}

// Mirror mirrors one source to one destination, run after run.
type Mirror struct {
	srv  *momserver.Server
	opts Options
	src  string // absolute path
	dst  string // absolute path
	last time.Time
}

// Result is the result of a run.
type Result struct {
	Packages int    // packages imported
	Failed   int    // packages that failed
	Skipped  int    // entries that kept changing or, with ContinueOnError, could not be read
	Files    int    // files and links imported
	Bytes    int64  // bytes transferred
	Deleted  int    // entries deleted; a directory counts once, with everything in it
	Notes    []Note // the first warnings and errors for subscribers
}

// Note is a warning, or an error that did not end the run.
type Note struct {
	Item    string // "" for none
	Message string
	Error   bool
}

// maxNotes bounds the notes of a Result.
const maxNotes = 20

// Clean reports whether everything was mirrored.
func (r Result) Clean() bool { return r.Failed == 0 && r.Skipped == 0 }

// New returns a Mirror from src to dst. It refuses pairs that would mirror or
// delete themselves, and symbolic links that another user may have planted.
func New(srv *momserver.Server, src, dst string, opts Options) (*Mirror, error) {
	source, err := paths.Resolve(src)
	if err != nil {
		return nil, err
	}
	destination, err := paths.Resolve(dst)
	if err != nil {
		return nil, err
	}
	m := &Mirror{srv: srv, opts: opts, src: source.Path, dst: destination.Path}
	if m.src == m.dst {
		return nil, fmt.Errorf("source and destination are the same directory: %s", m.src)
	}
	if _, inside := within(m.dst, m.src); inside && opts.Delete {
		return nil, fmt.Errorf("the source %s is inside the destination %s: -delete would delete it", m.src, m.dst)
	}
	return m, nil
}

// within returns path relative to dir, and whether path is inside dir.
func within(dir, path string) (string, bool) {
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) || rel == "." {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// excluded returns the path of the destination inside the source, or "" if it
// is not inside.
func (m *Mirror) excluded() string {
	rel, _ := within(m.src, m.dst)
	return rel
}

// Overlaps reports whether the two have the same destination, or one
// destination is inside the other, so that each would replace or delete files
// of the other.
func (m *Mirror) Overlaps(other *Mirror) bool {
	_, inside := within(m.dst, other.dst)
	_, around := within(other.dst, m.dst)
	return inside || around || m.dst == other.dst
}

// DeletesFrom reports whether m would delete files of the other's source.
func (m *Mirror) DeletesFrom(other *Mirror) bool {
	_, inside := within(m.dst, other.src)
	_, around := within(other.src, m.dst)
	return m.opts.Delete && (inside || around || m.dst == other.src)
}

// Source returns the absolute path of the source.
func (m *Mirror) Source() string { return m.src }

// Destination returns the absolute path of the destination.
func (m *Mirror) Destination() string { return m.dst }

// Name returns the name of the job, as "site to staging".
func (m *Mirror) Name() string { return filepath.Base(m.src) + " to " + filepath.Base(m.dst) }

// JobID returns the ID of the job, which depends only on the source and the
// destination.
func (m *Mirror) JobID() uuid.UUID {
	return momserver.JobID(m.src, m.dst)
}
