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
	limit     limiter
	spool     exportSpool
	dest      *os.Root  // nil until the destination exists
	lock      io.Closer // on dest; nil before the run works on it
	destSpool string    // the spool at the destination, relative to dest; "" before there is one
	settled   bool
	failed    bool // the run has ended
}

// Run mirrors once. The error says why the run ended early. If the run went on
// after failed packages, the error is nil and the Result is not Clean.
func (m *Mirror) Run(ctx context.Context) (Result, error) {
	r := &run{m: m}
	defer r.close()
	var err error
	m.srv.Run(ctx, m.JobID(), wire.InitializeData{
		Name: m.Name(), SourcePath: m.src, DestinationPath: m.dst, DestinationRoot: filepath.Dir(m.dst),
		LastExecution: m.last, ContinueOnError: m.opts.ContinueOnError,
	}, func(ctx context.Context, job *momserver.Job) error {
		r.job = job
		err = r.mirror(ctx)
		return err
	})
	return r.result, err
}

func (r *run) mirror(ctx context.Context) error {
	if err := r.plan(ctx); err != nil {
		return r.fail(err)
	}
	r.tellPlan()
	if err := r.packages(ctx); err != nil {
		return err
	}
	if err := r.finish(ctx); err != nil {
		return r.fail(err)
	}
	r.m.last = time.Now().UTC()
	return nil
}

// plan scans the source and divides the changes into packages.
func (r *run) plan(ctx context.Context) (err error) {
	r.limit.perSecond = r.m.opts.Bandwidth
	if r.source, err = openSource(r.m.src); err != nil {
		return err
	}
	if r.tree, err = scan(ctx, r.source, r.m.excluded(), r.job.Item); err != nil {
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
	changed, err := changes(ctx, r.tree, r.dest, r.job)
	if err != nil {
		return err
	}
	r.todo = divide(changed, r.m.opts.PackageFiles, r.m.opts.PackageBytes)
	files, bytes := 0, int64(0)
	for _, b := range r.todo {
		files += b.body().Files
		bytes += b.tarSize()
	}
	r.job.Expect(len(r.todo), files, bytes)
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
		err = r.openDest()
	}
	if err != nil {
		return &itemError{r.m.dst, plain(err)}
	}
	return nil
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
