package mirror

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// run is a run in progress.
type run struct {
	m         *Mirror
	job       *momserver.Job
	result    Result
	source    *os.Root
	tree      *tree // the source
	todo      []batch
	bytes     int64 // expected size of the packages
	limit     limiter
	spool     exportSpool
	dest      *os.Root  // nil until the destination exists
	lock      io.Closer // on dest; nil before the run works on it
	destSpool string    // the spool at the destination, relative to dest; "" before there is one
	settled   bool
}

// Run mirrors once. The error says why the run ended early. If the run went on
// after failed packages, the error is nil and the Result is not Clean.
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
	if err := r.finish(ctx); err != nil {
		return r.result, r.fail(err)
	}
	m.last = time.Now().UTC()
	return r.result, job.Complete()
}

// plan scans the source and divides the changes into packages.
func (r *run) plan(ctx context.Context) (err error) {
	r.limit.perSecond = r.m.opts.Bandwidth
	if r.source, err = openSource(r.m.src); err != nil {
		return err
	}
	if r.tree, err = scan(ctx, r.source, r.m.excluded()); err != nil {
		return err
	}
	for _, e := range r.tree.unreadable {
		if e.item == "." { // the source itself cannot be read
			return &itemError{r.m.src, e.err}
		}
		if !r.m.opts.ContinueOnError {
			return e
		}
	}
	if err := r.lookAtDest(); err != nil {
		return err
	}
	changed, err := changes(ctx, r.tree, r.dest)
	if err != nil {
		return err
	}
	r.todo = divide(changed, r.m.opts.PackageFiles, r.m.opts.PackageBytes)
	for _, b := range r.todo {
		r.bytes += b.tarSize()
	}
	return nil
}

// lookAtDest opens the destination if it exists.
func (r *run) lookAtDest() error {
	info, err := os.Stat(r.m.dst)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !info.IsDir():
		return &itemError{r.m.dst, errors.New("the destination is not a directory")}
	}
	if err == nil {
		r.dest, err = os.OpenRoot(r.m.dst)
	}
	if err != nil {
		return &itemError{r.m.dst, plain(err)}
	}
	return nil
}

// describe returns what is known at the beginning of the run.
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

// tellPlan logs the entries that the scan found and that will not be mirrored.
func (r *run) tellPlan() {
	for _, e := range r.tree.skipped {
		r.warn(e.item, e.err.Error())
	}
	for _, e := range r.tree.unreadable {
		r.skip(e.item, "not mirrored: "+e.err.Error())
	}
	if r.m.excluded() != "" {
		r.warn(r.m.dst, "the destination lies inside the source; it is left out")
	}
	if len(r.todo) == 0 {
		r.job.Note("", "nothing to mirror: the destination is up to date")
	}
}

// skip records that an entry is not mirrored, so that the run completes with
// errors.
func (r *run) skip(item, why string) {
	r.result.Skipped++
	r.job.Error(item, why)
	r.note(Note{item, why, true})
}

// warn adds a warning for subscribers and for the caller of Run.
func (r *run) warn(item, message string) {
	r.job.Warn(item, message)
	r.note(Note{item, message, false})
}

func (r *run) note(n Note) {
	if len(r.result.Notes) < maxNotes {
		r.result.Notes = append(r.result.Notes, n)
	}
}

// finish deletes entries that are gone, and sets modes and times of
// directories.
func (r *run) finish(ctx context.Context) error {
	if r.job.Ended() {
		return nil
	}
	if r.dest == nil { // the source is empty, or everything was left out
		if err := r.makeDest(); err != nil {
			return about(r.m.dst, err)
		}
	}
	if err := r.takeDest(); err != nil {
		return err
	}
	if r.m.opts.Delete && !r.result.Clean() {
		// An entry that is gone from the source may be one that was not
		// mirrored, under its old name.
		r.warn("", "nothing is deleted, because not everything was mirrored")
	} else if r.m.opts.Delete {
		if err := r.deleteGone(ctx); err != nil {
			return err
		}
	}
	r.closePool()
	r.settled = true
	return r.settle()
}

// close releases everything, whether or not the run succeeded.
func (r *run) close() {
	r.closePool()
	if r.lock != nil {
		if !r.settled {
			r.settle() // the run has already failed, so an error does not matter
		}
		r.lock.Close()
	}
	r.spool.close()
	if r.source != nil {
		r.source.Close()
	}
	if r.dest != nil {
		r.dest.Close()
	}
}
