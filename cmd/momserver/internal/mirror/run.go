package mirror

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// run is a run in progress.
type run struct {
	m      *Mirror
	job    *momserver.Job // nil until the run is published, and then it does nothing
	result Result
	limit  limiter
	seed   maphash.Seed
	buf    [2][]byte

	source   directories
	srcInfo  fs.FileInfo // of the top of the source
	inside   string      // the path of the destination in the source; "" if it is elsewhere
	above    uint64      // the device of the directory that the source is in
	mounted  uint64      // where the source is; see aboveSource
	listings <-chan listing
	stop     func() // ends the scan

	plan    plan
	packed  int64 // bytes in the last package of the plan
	checked int   // files that were compared
	unmoved int   // of the compared files, those that need not be moved
	tooMany error // why nothing is deleted; nil if deleting is allowed

	dest      directories // without a top until the destination exists
	lock      io.Closer   // on dest; nil before the run works on it
	spool     spool
	ready     map[string]bool   // directories of the destination that exist and are writable
	placed    map[string]string // paths that this run has put in place, by their lower case
	barred    map[string]error  // directories of the source that cannot be mirrored
	unsettled []error           // errors of directories whose mode or time cannot be set
	settled   bool
	told      map[string]bool
}

// bufferSize is the size of the pieces in which files are copied and compared.
const bufferSize = 256 << 10

func (r *run) buffers() (a, b []byte) {
	for i := range r.buf {
		if r.buf[i] == nil {
			r.buf[i] = make([]byte, bufferSize)
		}
	}
	return r.buf[0], r.buf[1]
}

func (m *Mirror) newRun() *run {
	return &run{
		m: m, seed: maphash.MakeSeed(), limit: limiter{perSecond: m.opts.Bandwidth},
		plan:  plan{mounts: make(map[string]uint64), absent: make(map[string]bool), inside: make(map[string][]doomed)},
		ready: make(map[string]bool), placed: make(map[string]string), barred: make(map[string]error), told: make(map[string]bool),
	}
}

// Run mirrors once. The error says why the run ended early. If the run went on
// after errors, the error is nil and the Result is not Clean.
//
// A run that finds nothing to do is published only if it is the first run, if the
// run before had an error, if there is something new to warn of, or if the last
// published run was Options.ReportIdle ago.
func (m *Mirror) Run(ctx context.Context) (Result, error) {
	r := m.newRun()
	defer r.close()
	err := r.open(ctx)
	if err == nil && m.opts.ReportIdle > 0 && !m.reported.IsZero() && time.Since(m.reported) < m.opts.ReportIdle {
		var idle bool
		if idle, err = r.check(ctx); idle {
			m.idle++
			r.result.Checks, r.result.Silent = m.idle, true
			return r.result, nil
		}
		if errors.Is(err, errInterrupted) {
			r.result.Silent = true
			return r.result, err
		}
	}
	m.srv.Run(ctx, m.id, wire.InitializeData{
		Name: m.name, SourcePath: m.src, DestinationPath: m.dst, DestinationRoot: filepath.Dir(m.dst),
		LastExecution: m.last, ContinueOnError: m.opts.ContinueOnError, DryRun: m.opts.DryRun != nil,
	}, func(ctx context.Context, job *momserver.Job) error {
		r.job = job
		r.job.Checked(r.checked)
		r.job.Skipped(r.unmoved)
		if err == nil {
			err = r.mirror(ctx)
		}
		if err != nil && !job.Ended() {
			item, why := itemOf(err)
			job.FailItem(item, why)
		}
		return err
	})
	m.told = r.told
	if err != nil || !r.result.Clean() {
		m.reported, m.idle = time.Time{}, 0 // so that the end of the failure is published, even if nothing is left to do
	} else {
		m.reported = time.Now()
		m.last = m.reported.UTC()
	}
	return r.result, err
}

// open opens the source and the destination, and begins to scan the source.
func (r *run) open(ctx context.Context) error {
	if err := r.openSource(); err != nil {
		return err
	}
	r.m.readIndex()
	r.m.index.begin()
	if err := r.lookAtDest(); err != nil {
		return err
	}
	var dest fs.FileInfo
	if r.dest.top != nil {
		var err error
		if dest, err = r.dest.top.Stat("."); err != nil {
			return about(r.m.dst, err)
		}
		if os.SameFile(dest, r.srcInfo) {
			return &itemError{r.m.src, fmt.Errorf("source and destination are the same directory, also known as %s", r.m.dst)}
		}
	}
	listings := make(chan listing, 8)
	r.listings = listings
	ctx, cancel := context.WithCancel(ctx)
	s := &scanner{ctx: ctx, top: r.source.top, without: r.inside, dest: dest, exclude: r.m.excludes, out: listings}
	// The scanner has handles of its own, so that this run can use its source
	// meanwhile.
	var scan sync.WaitGroup
	scan.Go(func() {
		defer close(listings)
		s.scan(".", r.above)
	})
	r.stop = func() { cancel(); scan.Wait() }
	return nil
}

// lookAtDest opens the destination if it exists.
func (r *run) lookAtDest() error {
	info, err := os.Stat(r.m.dst)
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.m.seen:
		return &itemError{r.m.dst, errors.New("the destination is gone: is a disk missing? Nothing is mirrored; start momserver again to create it again")}
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(r.m.dst)); err != nil {
			return &itemError{r.m.dst, fmt.Errorf("the directory that it is in does not exist: is a disk missing? If not, make it: mkdir -p %s", filepath.Dir(r.m.dst))}
		}
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

// check compares without publishing a run, until it finds something to do or to
// report. It returns true if there is nothing.
func (r *run) check(ctx context.Context) (idle bool, err error) {
	done, err := r.compare(ctx, func() bool { return !r.plan.nothing() || r.hasNews() })
	if err != nil || !done || !r.plan.nothing() || r.hasNews() || r.absence() != nil {
		return false, err
	}
	if r.plan.unsettled && r.m.opts.DryRun == nil {
		if err := r.takeDest(); err != nil {
			return false, err
		}
		r.settle()
		if r.settled = len(r.unsettled) == 0; !r.settled {
			r.unsettled = nil
			return false, nil
		}
	}
	r.remember()
	return true, nil
}

// compare compares the source with the destination, until stop returns true. It
// reports whether everything has been compared. Another call goes on where this one
// stopped.
func (r *run) compare(ctx context.Context, stop func() bool) (done bool, err error) {
	for !stop() {
		l, ok := <-r.listings
		if err := interrupted(ctx); err != nil {
			return false, err
		}
		if !ok {
			return true, nil
		}
		if err := r.compareDir(ctx, l); err != nil {
			return false, err
		}
	}
	return false, nil
}

// count counts files that were compared, and those of them that need not be moved.
func (r *run) count(checked, same int) {
	r.checked += checked
	r.unmoved += same
	r.job.Checked(checked)
	r.job.Skipped(same)
}

// hasNews reports whether the run leaves out an entry that the last run did not
// warn of.
func (r *run) hasNews() bool {
	for _, e := range r.plan.skipped {
		if !r.m.told[e.Error()] {
			return true
		}
	}
	return false
}

// mirror does the work of a published run.
func (r *run) mirror(ctx context.Context) error {
	if _, err := r.compare(ctx, func() bool { return false }); err != nil {
		return err
	}
	if err := r.absence(); err != nil {
		return err
	}
	if r.m.opts.Delete {
		r.tooMany = r.tooManyDoomed()
	}
	for _, e := range r.plan.skipped {
		r.warn(e.item, e.err.Error())
	}
	if r.inside != "" {
		r.warn(r.m.dst, "the destination lies inside the source; it is left out")
	}
	if r.plan.nothing() {
		r.tellIdle()
	}
	if r.m.opts.DryRun != nil {
		return r.tellPlan()
	}
	if !r.plan.nothing() || r.plan.unsettled || r.dest.top == nil {
		if err := r.work(ctx); err != nil {
			return err
		}
	}
	r.remember()
	return nil
}

// work changes the destination.
func (r *run) work(ctx context.Context) error {
	if err := r.makeDest(); err != nil {
		return about(r.m.dst, err)
	}
	if err := r.takeDest(); err != nil {
		return err
	}
	if err := r.freeBelow(); err != nil {
		return err
	}
	if err := r.respell(ctx); err != nil {
		return err
	}
	if err := r.packages(ctx); err != nil {
		return err
	}
	if err := r.clean(ctx); err != nil {
		return err
	}
	r.settled = true
	r.settle()
	return r.report(r.unsettled)
}

// clean deletes what is gone from the source, if everything else was mirrored.
func (r *run) clean(ctx context.Context) error {
	switch {
	case !r.m.opts.Delete:
		return nil
	case r.tooMany != nil:
		return r.tooMany
	case !r.result.Clean() && len(r.plan.doomed)+len(r.plan.stuck) > 0:
		// An entry that was not mirrored may have been renamed, and the destination
		// has it only under its old name.
		r.warn("", "nothing is deleted, because not everything was mirrored")
		return nil
	}
	return r.deleteGone(ctx)
}

// tellIdle reports that there is nothing to do.
func (r *run) tellIdle() {
	r.m.idle++
	r.result.Checks = r.m.idle
	message := "nothing to mirror: the destination is up to date"
	if r.m.idle > 1 {
		message = fmt.Sprintf("nothing to mirror: %d checks found the destination up to date since %s", r.m.idle, r.m.reported.Format(time.RFC3339))
	}
	r.job.Note("", message)
	r.m.idle = 0
}

// tellPlan writes what a run would do, for a dry run.
func (r *run) tellPlan() error {
	out := r.m.opts.DryRun
	for _, s := range r.plan.renames {
		fmt.Fprintf(out, "rename %q to %q\n", s.from, s.to)
	}
	for _, b := range r.plan.batches {
		for _, e := range b {
			if e.err != nil {
				r.bad(&itemError{e.path, e.err})
				continue
			}
			if r.tooMany == nil {
				r.sayDeleted(r.plan.inside[e.path])
			}
			r.say("copy", e.path, e.info.IsDir())
			r.result.Bytes += e.size()
			if e.isFile() {
				r.result.Files++
			}
		}
	}
	switch {
	case r.tooMany != nil:
		return r.tooMany
	case !r.result.Clean() && len(r.plan.doomed) > 0:
		r.warn("", "nothing would be deleted, because not everything would be mirrored")
		return nil
	}
	r.sayDeleted(r.plan.doomed)
	return r.report(r.plan.stuck)
}

// sayDeleted writes a line about each entry that would be deleted.
func (r *run) sayDeleted(all []doomed) {
	for _, d := range all {
		r.say("delete", d.path, d.dir)
		r.result.Deleted++
	}
}

// say writes a line about an entry for a dry run.
func (r *run) say(what, p string, dir bool) {
	if dir {
		p += "/"
	}
	if quoted := strconv.Quote(p); quoted != `"`+p+`"` { // a name of several lines, for example
		p = quoted
	}
	fmt.Fprintln(r.m.opts.DryRun, what, p)
}

// remember keeps for the next run what this run has seen of the source.
func (r *run) remember() {
	x := &r.m.index
	x.forget()
	if boot := bootID(); x.boot != boot || !maps.Equal(x.mounts, r.plan.mounts) {
		x.boot, x.mounts, x.changed = boot, r.plan.mounts, true
	}
}

// bad adds the error of an entry that is not mirrored to the log of the run, so
// that the run completes with errors.
func (r *run) bad(err error) {
	r.result.Skipped++
	item, why := itemOf(err)
	r.job.Error(item, why.Error())
	r.tell(item, why.Error(), true)
}

// warn adds a warning to the log.
func (r *run) warn(item, message string) {
	r.job.Warn(item, message)
	r.tell(item, message, false)
}

// maxTold bounds the messages that are remembered so that they are not logged
// again in the next run.
const maxTold = 10_000

// tell logs a message for the operator. A message that the run before has logged as
// well is logged at level debug.
func (r *run) tell(item, message string, failed bool) {
	log := r.m.log.Warn
	if failed {
		log = r.m.log.Error
	}
	key := (&itemError{item, errors.New(message)}).Error()
	if r.m.told[key] {
		log = r.m.log.Debug
	}
	if len(r.told) < maxTold {
		r.told[key] = true
	}
	log(message, "job", r.m.name, "item", item)
}

// close releases everything, whether or not the run succeeded.
func (r *run) close() {
	if r.stop != nil {
		r.stop()
	}
	if r.lock != nil {
		if !r.settled {
			r.settle() // the run has already failed, so an error does not matter
		}
		r.closeSpool()
		r.lock.Close()
	}
	r.writeIndex()
	r.source.close()
	r.dest.close()
}
