// Package mirror mirrors one directory to another through the nine states of a
// MoM job. It compares both, transfers changed files in packages to a spool at the
// destination, imports them from there, and deletes entries that are gone if
// Options.Delete is set. Only momserver uses it.
//
// # Whole files
//
// A file is written in the spool, read back and compared, given its mode and time,
// and renamed into place. So at any moment the destination has only whole files,
// old or new, even if the process is killed. All access goes through an os.Root, so
// that no link leads outside. Only one run at a time works on a destination, on a
// directory in it, or on a directory that contains it.
//
// # What is mirrored
//
// The package mirrors regular files, directories and symbolic links (as links,
// never followed), with permissions and modification times. On Linux it keeps the
// holes in files. It does not mirror owners, hard links as such, extended
// attributes, the times of links, nor the mode and time of the destination itself.
// It mirrors setuid and setgid bits only of files that have the user and the group
// of this process, because otherwise another user's file would get the rights of
// this user. It skips sockets, devices and other special files with a warning. If
// the file system of the destination does not keep a mode, a time or a link, a run
// warns of that once, and the package remembers it.
//
// # What counts as unchanged
//
// A file counts as unchanged if its size, time and mode are the same as at the
// destination. If an earlier run has read it, and its inode or the time of its last
// change is another one since, its content is compared as well. Nothing is synced
// to the disk. After a crash of the machine, the content of the destination depends
// on its file system.
//
// # Absence
//
// An entry that is missing in the source is deleted only if the source is likely to
// be complete. See Options.Delete and Options.MaxDelete.
package mirror

import (
	"fmt"
	"io"
	"log/slog"
	"os"
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
	ContinueOnError bool  // go on after entries and packages that fail

	// Delete deletes entries at the destination that the source does not have. A
	// run fails and deletes nothing if the source is empty, or if the source or a
	// directory in it is on another device than in the run before.
	Delete bool

	// MaxDelete decides whether a run may delete this number of the files at the
	// destination. If not, the run deletes nothing and fails. Nil allows any
	// number.
	MaxDelete interface {
		Allows(deletions, files int) bool
		String() string
	}

	// Exclude reports whether an entry is neither mirrored nor deleted. Exclude is
	// not called for what is in an excluded directory. Nil excludes nothing.
	Exclude func(path string, dir bool) bool

	Checksum   bool          // compare the content of all files
	DryRun     io.Writer     // only write what a run would do, a line for each entry; nil mirrors
	Spool      string        // the directory in which packages arrive; "" for the destination
	State      string        // a directory for what is remembered between processes; "" for none
	ReportIdle time.Duration // the time between published runs that find nothing to do; 0 publishes each
	Log        *slog.Logger  // nil for none
}

// Mirror mirrors one source to one destination, run after run. Only one run at a
// time may be in progress.
type Mirror struct {
	srv  *momserver.Server
	opts Options
	log  *slog.Logger
	src  string // absolute path, as given; links are followed in each run
	dst  string // absolute path without links
	id   uuid.UUID
	name string

	last      time.Time // the end of the last run without errors
	index     index
	unwritten bool   // the index could not be written, which was logged
	seen      bool   // an earlier run has opened the destination
	system    uint64 // identifies the file system of the destination, when it was seen
	reported  time.Time
	idle      int             // checks since reported that found nothing to do
	told      map[string]bool // the warnings and errors of the last run, which are not logged again
}

// Result is what a run has done or, after a dry run, what a run would do.
type Result struct {
	Packages int   // packages imported
	Failed   int   // packages of which nothing could be imported
	Skipped  int   // entries that could not be mirrored or deleted
	Files    int   // files and links imported
	Bytes    int64 // bytes transferred
	Deleted  int   // entries deleted
	Checks   int   // checks that found nothing to do, this one included; 0 if there was something to do
	Silent   bool  // nothing was published
}

// Clean reports whether everything was mirrored.
func (r Result) Clean() bool { return r.Failed == 0 && r.Skipped == 0 }

// New returns a Mirror from src to dst. It refuses pairs that would mirror or
// delete themselves, and symbolic links that another user may have planted.
func New(srv *momserver.Server, src, dst string, opts Options) (*Mirror, error) {
	m := &Mirror{srv: srv, opts: opts, log: opts.Log}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if m.src, err = filepath.Abs(src); err != nil {
		return nil, err
	}
	given, err := filepath.Abs(dst)
	if err != nil {
		return nil, err
	}
	destination, err := paths.Resolve(dst)
	if err != nil {
		return nil, err
	}
	m.dst = destination.Path
	m.id = momserver.JobID(m.src, given)
	m.name = filepath.Base(m.src) + " to " + filepath.Base(given)
	if err := m.checkSpool(); err != nil {
		return nil, err
	}
	_, err = m.resolve()
	return m, err
}

// checkSpool refuses a spool that does not exist, or that the mirror itself would
// delete.
func (m *Mirror) checkSpool() error {
	spool := m.opts.Spool
	if spool == "" {
		return nil
	}
	if info, err := os.Stat(spool); err != nil || !info.IsDir() {
		return fmt.Errorf("the spool %s is not a directory", spool)
	}
	resolved, err := paths.Resolve(spool)
	if err != nil {
		return err
	}
	if _, inside := within(m.dst, resolved.Path); resolved.Path == m.dst || inside && m.opts.Delete {
		return fmt.Errorf("the spool %s is in the destination %s: leave out -spool, or name a directory elsewhere", spool, m.dst)
	}
	return nil
}

// resolve returns the directory to which the path of the source leads. Its links
// may lead elsewhere than in the run before.
func (m *Mirror) resolve() (dir string, err error) {
	source, err := paths.Resolve(m.src)
	if err != nil {
		return "", err
	}
	dir = source.Path
	if dir == m.dst {
		return "", fmt.Errorf("source and destination are the same directory: %s", dir)
	}
	if _, inside := within(m.dst, dir); inside && m.opts.Delete {
		return "", fmt.Errorf("the source %s is inside the destination %s: -delete would delete it", dir, m.dst)
	}
	return dir, nil
}

func (m *Mirror) excludes(p string, dir bool) bool {
	return m.opts.Exclude != nil && m.opts.Exclude(p, dir)
}

// within returns path relative to dir, and whether path is inside dir.
func within(dir, path string) (string, bool) {
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) || rel == "." {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// Overlaps reports whether m and other have the same destination, or one
// destination is inside the other, so that each would replace or delete files of
// the other.
func (m *Mirror) Overlaps(other *Mirror) bool {
	_, inside := within(m.dst, other.dst)
	_, around := within(other.dst, m.dst)
	return inside || around || m.dst == other.dst
}

// DeletesFrom reports whether m would delete files of the other's source.
func (m *Mirror) DeletesFrom(other *Mirror) bool {
	src, err := other.resolve()
	if err != nil {
		return false
	}
	_, inside := within(m.dst, src)
	_, around := within(src, m.dst)
	return m.opts.Delete && (inside || around || m.dst == src)
}

// Source returns the absolute path of the source, as it was given.
func (m *Mirror) Source() string { return m.src }

// Destination returns the absolute path of the destination.
func (m *Mirror) Destination() string { return m.dst }

// Name returns the name of the job, such as "site to staging".
func (m *Mirror) Name() string { return m.name }

// JobID returns the ID of the job, which depends only on the paths of the source
// and the destination as they were given.
func (m *Mirror) JobID() uuid.UUID { return m.id }

func (m *Mirror) spoolName() string { return spoolPrefix + m.id.String() }
