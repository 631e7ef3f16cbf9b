// Package mirror mirrors one directory to another through the nine states of a
// MoM job: it scans both, exports what changed into packages (tar files),
// transfers each to a spool at the destination, imports it from there, and
// deletes what is gone when told to.
//
// At the destination a file is written aside in the spool, checked, given its
// mode and time, and renamed into place, so that at any moment the destination
// holds whole files only, old or new. Everything there goes through an
// os.Root: no path in a package reaches outside.
//
// Mirrored are regular files, directories and symbolic links (as links, never
// followed), with permissions and modification times. Owners, hard links as
// such, extended attributes and the times of links are not. Sockets, devices
// and the like are skipped with a warning.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom/momserver"
	"mom/wire"
)

// Options sets how a pair is mirrored. All bounds must be set.
type Options struct {
	PackageFiles    int   // entries of one package
	PackageBytes    int64 // bytes of the files of one package; a larger file is a package of its own
	Bandwidth       int64 // bytes a second of the transfer; 0 for no limit
	Delete          bool  // delete at the destination what is not at the source
	ContinueOnError bool  // go on past a failed package, and past what cannot be read
	Log             *slog.Logger
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
	Packages int   // imported
	Failed   int   // packages that failed
	Skipped  int   // entries that could not be read, with ContinueOnError
	Files    int   // files and links imported
	Bytes    int64 // bytes transferred
	Deleted  int   // entries deleted, directories with all in them as one
}

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

// Destination returns the destination, absolute.
func (m *Mirror) Destination() string { return m.dst }

// Name is the job's name, as "site to staging".
func (m *Mirror) Name() string { return filepath.Base(m.src) + " to " + filepath.Base(m.dst) }

// JobID is the same for the same source and destination, whenever and by
// whichever process.
func (m *Mirror) JobID() uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("mom:"+m.src+"\x00"+m.dst))
}

// itemError is an error about one file or directory.
type itemError struct {
	item string
	err  error
}

func (e *itemError) Error() string { return e.item + ": " + e.err.Error() }
func (e *itemError) Unwrap() error { return e.err }

// itemOf returns the file that err is about, "" for none, and the error
// without it.
func itemOf(err error) (string, error) {
	var e *itemError
	if errors.As(err, &e) {
		return e.item, e.err
	}
	return "", err
}

// Run mirrors once. The error is why the run ended early; a run that went past
// failed packages returns nil and a Result that is not Clean.
func (m *Mirror) Run(ctx context.Context) (Result, error) {
	r := &run{m: m}
	defer r.close()
	planned := r.plan(ctx)
	job, err := m.srv.StartJob(m.JobID(), r.describe())
	if err != nil {
		return r.result, err
	}
	defer job.Close()
	r.job = job
	if err := planned; err != nil {
		return r.result, r.fail(err)
	}
	r.tellPlan()
	if err := r.packages(ctx); err != nil {
		return r.result, err
	}
	if err := r.finish(); err != nil {
		return r.result, r.fail(err)
	}
	m.last = time.Now().UTC()
	return r.result, job.Complete()
}

// run is one run in progress.
type run struct {
	m        *Mirror
	job      *momserver.Job
	result   Result
	source   *os.Root
	dest     *os.Root // nil until the destination exists
	tree     *tree    // of the source
	todo     []batch
	bytes    int64  // that the packages are expected to have
	spool    string // at the source's end; a directory of its own
	destPool string // at the destination, relative to dest
	limit    limiter
}

// plan scans the source and decides what goes into which package.
func (r *run) plan(ctx context.Context) (err error) {
	r.limit.perSecond = r.m.opts.Bandwidth
	if r.source, err = openSource(r.m.src); err != nil {
		return err
	}
	if r.tree, err = scan(ctx, r.source, r.m.excluded()); err != nil {
		return err
	}
	if len(r.tree.unreadable) > 0 && !r.m.opts.ContinueOnError {
		return r.tree.unreadable[0]
	}
	if dest, err := os.OpenRoot(r.m.dst); err == nil {
		r.dest = dest
	} else if !errors.Is(err, os.ErrNotExist) {
		return &itemError{r.m.dst, err}
	}
	changed := changes(r.tree, r.dest)
	r.todo = divide(changed, r.m.opts.PackageFiles, r.m.opts.PackageBytes)
	for _, b := range r.todo {
		r.bytes += b.tarSize()
	}
	return nil
}

// excluded is the destination's path inside the source, "" where it is not.
func (m *Mirror) excluded() string {
	rel, _ := within(m.src, m.dst)
	return rel
}

// describe returns what is known when the run begins.
func (r *run) describe() wire.InitializeData {
	init := wire.InitializeData{
		Name: r.m.Name(), SourcePath: r.m.src, DestinationPath: r.m.dst, DestinationRoot: filepath.Dir(r.m.dst),
		LastExecution: r.m.last, Packages: len(r.todo), Bytes: r.bytes, ContinueOnError: r.m.opts.ContinueOnError,
	}
	for _, b := range r.todo {
		body := b.body()
		init.FilesInPackages += body.Files
		init.PagesInPackages += body.Pages
	}
	return init
}

// tellPlan logs what the scan found that will not be mirrored.
func (r *run) tellPlan() {
	for _, e := range r.tree.skipped {
		r.job.Warn(e.item, e.err.Error())
	}
	for _, e := range r.tree.unreadable {
		r.result.Skipped++
		r.job.Warn(e.item, "not mirrored: "+e.err.Error())
	}
	if r.m.excluded() != "" {
		r.job.Warn(r.m.dst, "the destination lies inside the source; it is left out")
	}
	if len(r.todo) == 0 {
		r.job.Note("", "nothing to mirror: the destination is up to date")
	}
}

// fail ends the run with an ExportingError.
func (r *run) fail(err error) error {
	item, why := itemOf(err)
	r.job.FailItem(item, why)
	return err
}

// finish deletes what is gone and sets what directories have.
func (r *run) finish() error {
	if r.dest == nil {
		return nil
	}
	if r.m.opts.Delete {
		if err := r.deleteGone(); err != nil {
			return err
		}
	}
	r.closeSpool()
	return r.settle()
}

// close lets go of everything, whatever the end was.
func (r *run) close() {
	r.closeSpool()
	if r.spool != "" {
		os.RemoveAll(r.spool)
	}
	if r.source != nil {
		r.source.Close()
	}
	if r.dest != nil {
		r.dest.Close()
	}
}
