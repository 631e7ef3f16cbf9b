package momserver

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// Job is one run of a job, from JobInitialized to the event that ends it. Its
// methods and those of its packages may be called from several goroutines;
// none of them waits for a subscriber.
//
// Whoever starts a run ends it: with Complete, Fail, or a package's Fail where
// the run does not continue on error. A deferred Close covers every other way
// out; [Server.Run] does all of it.
type Job struct {
	srv   *Server
	jobID uuid.UUID
	runID uuid.UUID
	init  *wire.InitializeData // never changed once published

	mu      sync.Mutex // guards all below, and the packages' fields; held across publish, which does not wait
	ended   bool
	failure error // what ended it, where that was no Complete
	began   time.Time
	open    map[*Package]struct{}
	account
}

// account is what a run's events carry beside its state. A copy of an account
// is a backup, so log entries that a copy shares are never changed in place.
type account struct {
	progress wire.Progress   // without the bytes of open packages
	moving   int64           // bytes received of open packages
	log      []wire.LogEntry // for the run's next event
	dropped  int             // entries that log had no room for
	numbers  int             // packages started
}

// StartJob begins a run of the job and publishes JobInitialized. A zero jobID,
// a negative count, and a description of more than half of Config.MaxEventBytes
// are errors. The run's description does not change after this.
func (s *Server) StartJob(jobID uuid.UUID, init wire.InitializeData) (*Job, error) {
	if jobID == uuid.Nil {
		return nil, wire.Errorf(wire.BadRequest, "momserver: StartJob without a job ID")
	}
	if err := s.checkInit(&init); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	j := &Job{
		srv: s, jobID: jobID, runID: uuid.New(), init: &init,
		began: now, open: make(map[*Package]struct{}),
		account: account{progress: wire.Progress{PackagesTotal: init.Packages, FilesTotal: init.FilesInPackages, BytesTotal: init.Bytes}},
	}
	j.mu.Lock() // before a Shutdown can find it, and end it before it has begun
	defer j.mu.Unlock()
	if !s.addJob(j) {
		return nil, wire.Errorf(wire.Closed, "momserver: StartJob after Shutdown or Close")
	}
	if err := j.publish(wire.Status{State: wire.JobInitialized, SentTime: now, ReceivedTime: now}, nil); err != nil {
		j.end()
		return nil, err
	}
	return j, nil
}

// checkInit refuses a description that is so long that the run's end might not
// fit an event, and numbers that count nothing.
func (s *Server) checkInit(init *wire.InitializeData) error {
	if n := len(init.Name) + len(init.SourcePath) + len(init.DestinationPath) + len(init.DestinationRoot); n > s.cfg.MaxEventBytes/2 {
		return wire.Errorf(wire.TooLarge, "momserver: a run described in %d bytes; at most half of Config.MaxEventBytes, %d", n, s.cfg.MaxEventBytes/2)
	}
	if init.Packages < 0 || init.Bytes < 0 || init.FilesInPackages < 0 || init.PagesInPackages < 0 {
		return wire.Errorf(wire.BadRequest, "momserver: a run of a negative count: %d packages, %d bytes, %d files, %d pages; 0 is not known", init.Packages, init.Bytes, init.FilesInPackages, init.PagesInPackages)
	}
	return nil
}

// reason returns why, or words in its place: a failure without a reason is one
// all the same.
func reason(why error) error {
	if why == nil {
		return errors.New("it failed, and nobody said why")
	}
	return why
}

// Run runs a job in run: it starts it, and ends it by what run returns:
// nil completes it, an error fails it, unless run has ended it already. A
// panic in run ends it too, and goes on. Run returns run's error, that of
// starting or ending, or the failure by which run has ended it. It leaves ctx to
// run.
func (s *Server) Run(ctx context.Context, jobID uuid.UUID, init wire.InitializeData, run func(context.Context, *Job) error) error {
	j, err := s.StartJob(jobID, init)
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			j.abandon(fmt.Sprintf("the mirroring panicked: %v", v))
			s.cfg.Logger.Error("momserver: a mirroring panicked", "job", jobID, "panic", v, "stack", string(debug.Stack()))
			panic(v)
		}
		j.Close() // covers runtime.Goexit
	}()
	if err := run(ctx, j); err != nil {
		j.Fail(err)
		return err
	}
	if j.Ended() {
		return j.Failure()
	}
	return j.Complete()
}

// JobID returns the job's ID.
func (j *Job) JobID() uuid.UUID { return j.jobID }

// RunID returns the ID of this run.
func (j *Job) RunID() uuid.UUID { return j.runID }

// Ended reports whether the run has ended, in whichever way.
func (j *Job) Ended() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}

// Failure returns the error that the run was failed with, or that says that its
// owner left it; nil while it goes on and where it was completed.
func (j *Job) Failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failure
}

// Progress returns the run so far.
func (j *Job) Progress() wire.Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.soFar()
}

// Complete ends the run with JobCompleted. Where packages failed, or there were
// other errors, the event says so, and the run is completed with errors. It is
// a [wire.BadTransition] error while a package is open, and a [wire.RunEnded] error after
// the end.
func (j *Job) Complete() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return j.errEnded(wire.JobCompleted)
	}
	for p := range j.open {
		return wire.Errorf(wire.BadTransition, "momserver: no %v of job %q while package %d is %v: complete or fail that first", wire.JobCompleted, j.init.Name, p.header.Number, p.state)
	}
	return j.change(wire.Status{State: wire.JobCompleted, SentTime: j.began}, nil, func() {
		p := &j.progress
		if p.PackagesFailed == 0 {
			// What was expected may have shrunk on the way: the end is the truth.
			p.PackagesTotal, p.FilesTotal, p.BytesTotal = p.PackagesDone, p.FilesDone, p.BytesDone
		}
		if p.PackagesFailed > 0 || p.Errors > 0 {
			errs := "errors"
			if p.Errors == 1 {
				errs = "error"
			}
			j.logLocked(wire.SeverityProcessing, "", fmt.Sprintf("completed with errors: %d of %d packages failed, %d %s in all", p.PackagesFailed, j.numbers, p.Errors, errs))
		}
	})
}

// Fail ends the run with ExportingError: making a package failed, so the run
// cannot go on. It is a [wire.RunEnded] error after the end.
func (j *Job) Fail(why error) error {
	return j.FailItem("", why)
}

// FailItem is Fail that names the file or page at fault.
func (j *Job) FailItem(item string, why error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return j.errEnded(wire.ExportingError)
	}
	why = reason(why)
	if err := j.change(wire.Status{State: wire.ExportingError, SentTime: j.began}, nil, func() {
		j.logLocked(wire.SeverityError, item, why.Error())
	}); err != nil {
		return err
	}
	j.failure = why
	return nil
}

// Close ends the run with an error event that says that its owner left it,
// unless it has ended. It may be deferred and called again.
func (j *Job) Close() error {
	j.abandon("the owner left the run without ending it")
	return nil
}

// abandon ends the run by an ExportingError, the one state that ends a run
// from wherever it stands.
func (j *Job) abandon(why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	j.failure = errors.New("momserver: " + why)
	if err := j.change(wire.Status{State: wire.ExportingError, SentTime: j.began}, nil, func() {
		for p := range j.open {
			j.logLocked(wire.SeverityError, p.item(), fmt.Sprintf("package %d was left %v", p.header.Number, p.state))
		}
		j.logLocked(wire.SeverityError, "", why)
	}); err != nil {
		j.srv.cfg.Logger.Error("momserver: a run's end is lost", "job", j.jobID, "run", j.runID, "error", err)
		j.end()
	}
}

// errEnded is the error of a change after the run's end. mu is held.
func (j *Job) errEnded(state wire.State) error {
	how := "it was completed"
	if j.failure != nil {
		how = wire.Clip(j.failure.Error(), maxLogText)
	}
	return wire.Errorf(wire.RunEnded, "momserver: no %v of job %q: its run has ended: %s", state, j.init.Name, how)
}

// soFar returns the progress with the bytes of open packages. mu is held.
func (j *Job) soFar() wire.Progress {
	p := j.progress
	p.BytesDone += j.moving
	if p.BytesTotal > 0 {
		p.BytesTotal = max(p.BytesTotal, p.BytesDone)
	}
	if p.PackagesTotal > 0 {
		p.PackagesTotal = max(p.PackagesTotal, j.numbers)
	}
	return p
}

// change calls the function change, which changes the account, and publishes
// the status that goes with the change. If the event is refused, it restores
// the account. mu is held.
func (j *Job) change(status wire.Status, pkg *Package, change func()) error {
	before := j.account
	change()
	err := j.publish(status, pkg)
	if err != nil {
		j.account = before
	}
	return err
}

// publish publishes a change of the run, or of pkg where it is not nil, with
// the log so far. If the event is refused, the log is kept for the next one. mu
// is held.
func (j *Job) publish(status wire.Status, pkg *Package) error {
	status.Log = j.log
	if j.dropped > 0 {
		status.Log = append(slices.Clip(j.log), wire.LogEntry{Time: time.Now().UTC(), Severity: wire.SeverityProcessing, Message: fmt.Sprintf("%d more log entries", j.dropped)})
	}
	if status.ReceivedTime.IsZero() {
		status.ReceivedTime = time.Now().UTC()
	}
	ev := wire.Event{JobID: j.jobID, RunID: j.runID, Data: wire.TransferData{Initialize: j.init, Status: status, Progress: j.soFar()}}
	if pkg != nil {
		ev.Data.Header, ev.Data.Body = &pkg.header, &pkg.body
	}
	err := j.srv.publish(&ev, true)
	if errors.Is(err, wire.TooLarge) && len(status.Log) > 0 {
		// A change of state is not lost for its log.
		ev.Data.Status.Log = []wire.LogEntry{{Severity: ev.Severity(), Message: fmt.Sprintf("%d log entries left out: the event would be too large", len(status.Log))}}
		err = j.srv.publish(&ev, true)
	}
	if err != nil {
		return err
	}
	j.log, j.dropped = nil, 0
	if status.State.EndsRun(j.init.ContinueOnError) {
		j.end()
	}
	return nil
}

// end marks the run ended. mu is held.
func (j *Job) end() {
	j.ended = true
	clear(j.open)
	j.progress.BytesDone, j.moving = j.progress.BytesDone+j.moving, 0 // as in the last event
	j.srv.removeJob(j)
}
