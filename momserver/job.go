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
	"mom.internal/wire/duplex"
)

// Job is one run of a job, from JobInitialized to the event that ends it. Its
// methods and those of its packages may be called from several goroutines. None
// of them waits for a subscriber.
//
// The code that starts a run ends it: with Complete, with Fail, or with a
// package's Fail if the run does not continue on error. A deferred Close ends
// it in all other cases. [Server.Run] does all of this.
//
// A method that publishes an event returns Publish's errors, and then changes
// nothing.
type Job struct {
	srv   *Server
	jobID uuid.UUID
	runID uuid.UUID
	init  *wire.InitializeData // never changed

	mu      sync.Mutex // guards all below and the fields of the packages; held during Publish, which does not wait
	ended   bool
	failure error // why it ended; nil if it was completed
	began   time.Time
	open    map[*Package]struct{}
	account
}

// account is what a run's events carry beside its state. A copy of an account
// is a backup, so a log entry that a copy shares is never changed in place.
type account struct {
	progress   wire.Progress   // without the bytes of open packages
	openBytes  int64           // received, of open packages
	log        []wire.LogEntry // for the run's next event
	logDropped int             // entries that log had no room for
	started    int             // packages
}

// StartJob begins a run of the job with the ID jobID, which is the same for all
// its runs, and publishes JobInitialized. init describes the run and cannot be
// changed later; a zero field means that the value is not known.
//
// StartJob returns a [wire.BadRequest] error for a zero jobID or a negative
// count, a [wire.TooLarge] error if the texts of init take more than half of
// Config.MaxEventBytes, a [wire.Full] error over Config.MaxRuns, and a
// [wire.Closed] error after Shutdown or Close.
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

// checkInit refuses texts that are so long that the event at the run's end
// might be too large, and negative counts.
func (s *Server) checkInit(init *wire.InitializeData) error {
	if n := len(init.Name) + len(init.SourcePath) + len(init.DestinationPath) + len(init.DestinationRoot); n > s.cfg.MaxEventBytes/2 {
		return wire.Errorf(wire.TooLarge, "momserver: the texts of the run's InitializeData have %d bytes; at most half of Config.MaxEventBytes, %d, is allowed", n, s.cfg.MaxEventBytes/2)
	}
	if init.Packages < 0 || init.Bytes < 0 || init.FilesInPackages < 0 || init.PagesInPackages < 0 {
		return wire.Errorf(wire.BadRequest, "momserver: a run with a negative count: %d packages, %d bytes, %d files, %d pages; 0 means not known", init.Packages, init.Bytes, init.FilesInPackages, init.PagesInPackages)
	}
	return nil
}

// orUnknown returns why, or an error in its place if why is nil, because a
// failure without a reason is a failure nevertheless.
func orUnknown(why error) error {
	if why == nil {
		return errors.New("no reason given")
	}
	return why
}

// Run starts a run as StartJob does, calls run with ctx and the [Job], and ends
// the run: with Complete if run returns nil, and with Fail if run returns an
// error, unless run has already ended it. If run panics or calls
// runtime.Goexit, Run ends the run with an ExportingError event, and the panic
// continues.
//
// Run returns the error of StartJob, without a call of run, or else the error
// of run, the error of Complete, or the [Job.Failure] with which run has ended
// the run.
func (s *Server) Run(ctx context.Context, jobID uuid.UUID, init wire.InitializeData, run func(context.Context, *Job) error) error {
	j, err := s.StartJob(jobID, init)
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			j.abandon(fmt.Sprintf("the function given to Run panicked: %v", v))
			s.cfg.Logger.Error("momserver: the function given to Run panicked", "job", jobID, "panic", v, "stack", string(debug.Stack()))
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

// JobID returns the ID of the job.
func (j *Job) JobID() uuid.UUID { return j.jobID }

// RunID returns the ID of this run.
func (j *Job) RunID() uuid.UUID { return j.runID }

// Ended reports whether the run has ended, with success or not.
func (j *Job) Ended() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}

// Failure returns the error with which the run was failed, or an error that
// says how it was abandoned. It is nil until the run has ended, and if it was
// completed.
func (j *Job) Failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failure
}

// Progress returns the progress of the run so far. It is part of each event.
func (j *Job) Progress() wire.Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.progressSoFar()
}

// Complete ends the run with JobCompleted. If packages have failed or there
// were other errors, the log of the event says so, and the run is completed
// with errors. Complete returns a [wire.BadTransition] error while a package is
// open, and a [wire.RunEnded] error after the end of the run.
func (j *Job) Complete() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return j.errEnded(wire.JobCompleted)
	}
	for p := range j.open {
		return wire.Errorf(wire.BadTransition, "momserver: cannot publish %v for job %q while package %d is %v; complete or fail the package first", wire.JobCompleted, j.init.Name, p.header.Number, p.state)
	}
	return j.change(wire.Status{State: wire.JobCompleted, SentTime: j.began}, nil, func() {
		p := &j.progress
		if p.PackagesFailed == 0 {
			// Less may have been done than was expected at the start.
			p.PackagesTotal, p.FilesTotal, p.BytesTotal = p.PackagesDone, p.FilesDone, p.BytesDone
		}
		if p.PackagesFailed > 0 || p.Errors > 0 {
			errs := "errors"
			if p.Errors == 1 {
				errs = "error"
			}
			j.logLocked(wire.SeverityProcessing, "", fmt.Sprintf("completed with errors: %d of %d packages failed, %d %s in all", p.PackagesFailed, j.started, p.Errors, errs))
		}
	})
}

// Fail ends the run with ExportingError, because a package could not be made or
// the run cannot go on. The log of the event has the text of why. Fail returns
// a [wire.RunEnded] error after the end of the run.
func (j *Job) Fail(why error) error {
	return j.FailItem("", why)
}

// FailItem is Fail, and the log names item, the file or page at fault.
func (j *Job) FailItem(item string, why error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return j.errEnded(wire.ExportingError)
	}
	why = orUnknown(why)
	if err := j.change(wire.Status{State: wire.ExportingError, SentTime: j.began}, nil, func() {
		j.logLocked(wire.SeverityError, item, why.Error())
	}); err != nil {
		return err
	}
	j.failure = why
	return nil
}

// Close ends the run, unless it has ended, with an ExportingError event that says
// that the run was abandoned. It always returns nil, and may be called again.
func (j *Job) Close() error {
	j.abandon("the owner left the run without ending it")
	return nil
}

// abandon ends the run with ExportingError, the one state that ends a run from
// every other state.
func (j *Job) abandon(why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	j.failure = errors.New("momserver: " + why)
	if err := j.change(wire.Status{State: wire.ExportingError, SentTime: j.began}, nil, func() {
		for p := range j.open {
			j.logLocked(wire.SeverityError, p.body.Item, fmt.Sprintf("package %d was left %v", p.header.Number, p.state))
		}
		j.logLocked(wire.SeverityError, "", why)
	}); err != nil {
		j.srv.cfg.Logger.Error("momserver: the event that ends a run could not be published", "job", j.jobID, "run", j.runID, "error", err)
		j.end()
	}
}

// errEnded returns the error of a change after the run's end. mu is held.
func (j *Job) errEnded(state wire.State) error {
	how := "it was completed"
	if j.failure != nil {
		how = duplex.Clip(j.failure.Error(), maxLogText)
	}
	return wire.Errorf(wire.RunEnded, "momserver: cannot publish %v for job %q, because the run has ended: %s", state, j.init.Name, how)
}

// progressSoFar returns the progress with the bytes of open packages. mu is
// held.
func (j *Job) progressSoFar() wire.Progress {
	p := j.progress
	p.BytesDone += j.openBytes
	if p.BytesTotal > 0 {
		p.BytesTotal = max(p.BytesTotal, p.BytesDone)
	}
	if p.PackagesTotal > 0 {
		p.PackagesTotal = max(p.PackagesTotal, j.started)
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

// publish publishes a change of the run, or of pkg if it is not nil, with the
// log so far. If the event is refused, the log is kept for the next one. mu is
// held.
func (j *Job) publish(status wire.Status, pkg *Package) error {
	status.Log = j.log
	if j.logDropped > 0 {
		status.Log = append(slices.Clip(j.log), wire.LogEntry{Time: time.Now().UTC(), Severity: wire.SeverityProcessing, Message: fmt.Sprintf("%d more log entries", j.logDropped)})
	}
	if status.ReceivedTime.IsZero() {
		status.ReceivedTime = time.Now().UTC()
	}
	ev := wire.Event{JobID: j.jobID, RunID: j.runID, Data: wire.TransferData{Initialize: j.init, Status: status, Progress: j.progressSoFar()}}
	if pkg != nil {
		ev.Data.Header, ev.Data.Body = &pkg.header, &pkg.body
	}
	err := j.srv.publish(&ev, true)
	if errors.Is(err, wire.TooLarge) && len(status.Log) > 0 {
		// A change of state is worth more than its log.
		ev.Data.Status.Log = []wire.LogEntry{{Severity: ev.Severity(), Message: fmt.Sprintf("%d log entries left out: the event would be too large", len(status.Log))}}
		err = j.srv.publish(&ev, true)
	}
	if err != nil {
		return err
	}
	j.log, j.logDropped = nil, 0
	if status.State.EndsRun(j.init.ContinueOnError) {
		j.end()
	}
	return nil
}

// end marks the run as ended. mu is held.
func (j *Job) end() {
	j.ended = true
	clear(j.open)
	j.progress.BytesDone, j.openBytes = j.progress.BytesDone+j.openBytes, 0 // as in the last event
	j.srv.removeJob(j)
}
