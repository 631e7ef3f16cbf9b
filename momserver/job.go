package momserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
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
// The code that starts a run ends it: with Complete, Fail or Cancel, or with a
// package's Fail if the run does not continue on error. A deferred Close ends
// it in all other cases. [Server.Run] does all of this.
//
// # Monitoring never stops the mirroring
//
// The methods that report progress return no error. What they cannot use, such
// as a negative count, they ignore, count as [Stats.Misuse], and log once for
// each kind. The methods that start or end a package or the run return an error
// if the caller has made a mistake or the event is refused, and then change
// nothing.
//
// A nil *Job is switched off, and so is a nil *Package. Each of its methods does
// nothing and returns zero values, except that methods that are given a function
// call it, and Reader, Writer and Copy pass the bytes on.
//
// If the server is shut down first, its subscribers see the run end there. The
// Job goes on, and its methods return what they would have returned otherwise,
// but nothing more is published. With Config.Strict, the run ends for the Job
// too.
type Job struct {
	srv   *Server // nil if the Server is
	jobID uuid.UUID
	runID uuid.UUID
	init  *wire.InitializeData // never changed

	mu          sync.Mutex // guards all below and the fields of the packages; held during Publish, which does not wait
	unpublished bool       // because the run was refused, or because the server was shut down
	ended       bool
	failure     error    // as Failure returns it
	failureText string   // of failure
	lines       []func() // log lines that wait for mu to be free; see unlock
	began       time.Time
	initialized time.Time // when JobInitialized was published last
	item        string    // that the run works on before its first package
	open        map[*Package]struct{}
	account
}

// account is what a run's events carry beside its state. A copy of an account
// is a backup, so a log entry that a copy shares is never changed in place.
type account struct {
	progress        wire.Progress   // without the bytes of open packages
	openBytes       int64           // received, of open packages
	openThousandths int             // as in wire.Progress; kept up only while BytesTotal is 0
	log             []wire.LogEntry // for the run's next event
	logDropped      int             // entries that log had no room for
	started         int             // packages
	brokenOff       int             // open packages with a brokenOff
	differing       int             // completed packages that moved more or less than their FileSize
	packageFailure  *cause          // of the first package that failed
}

// JobID returns the ID of the job that mirrors what the parts name, such as a
// source and a destination. It depends only on the parts and their order.
func JobID(parts ...string) uuid.UUID {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = escapePart.Replace(part)
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("mom:"+strings.Join(escaped, "\x00")))
}

// escapePart replaces the separator of the parts.
var escapePart = strings.NewReplacer("\x00", "\x01\x02", "\x01", "\x01\x01")

// StartJob begins a run of the job with the ID jobID, which is the same for all
// its runs, and publishes JobInitialized. init describes the run and cannot be
// changed later; a zero field means that the value is not known.
//
// StartJob returns a [wire.BadRequest] error for a zero jobID or a negative
// count, a [wire.TooLarge] error if the texts of init take more than half of
// Config.MaxEventBytes, a [wire.Full] error over Config.MaxRuns, and a
// [wire.Closed] error after Shutdown or Close. The Job is then nil, and so
// switched off: a program can mirror with it all the same, as [Server.Run] does.
func (s *Server) StartJob(jobID uuid.UUID, init wire.InitializeData) (*Job, error) {
	if s == nil {
		return nil, nil
	}
	j, err := s.startJob(jobID, &init)
	if err != nil {
		s.refused.Add(1)
		return nil, err
	}
	return j, nil
}

func (s *Server) startJob(jobID uuid.UUID, init *wire.InitializeData) (*Job, error) {
	if jobID == uuid.Nil {
		return nil, wire.Errorf(wire.BadRequest, "momserver: StartJob without a job ID")
	}
	if err := s.checkInit(init); err != nil {
		return nil, err
	}
	j := newJob(s, jobID, init)
	j.mu.Lock() // before a Shutdown can find it, and end it before it has begun
	defer j.unlock()
	if !s.addJob(j) {
		return nil, wire.Errorf(wire.Closed, "momserver: StartJob after Shutdown or Close")
	}
	if err := j.publish(wire.Status{State: wire.JobInitialized, SentTime: j.began, ReceivedTime: j.began}, nil); err != nil {
		j.end()
		return nil, err
	}
	j.initialized = time.Now()
	return j, nil
}

func newJob(s *Server, jobID uuid.UUID, init *wire.InitializeData) *Job {
	return &Job{
		srv: s, jobID: jobID, runID: uuid.New(), init: init,
		began: time.Now().UTC(), open: make(map[*Package]struct{}),
		account: account{progress: wire.Progress{PackagesTotal: init.Packages, FilesTotal: init.FilesInPackages, BytesTotal: init.Bytes}},
	}
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

// unlock unlocks mu, and then writes the log lines that came meanwhile, because a
// Logger may call the Job.
func (j *Job) unlock() {
	lines := j.lines
	j.lines = nil
	j.mu.Unlock()
	for _, write := range lines {
		write()
	}
}

// cause is why a run or a package ends. It is made without mu, because an error of
// the caller may call the Job when it is asked for its text.
type cause struct {
	err     error
	text    string
	outcome wire.Outcome
}

func causeOf(why error) (r cause) {
	r = cause{why, "no reason given", wire.Failed}
	if why == nil {
		r.err = errors.New(r.text)
		return r
	}
	defer func() {
		if v := recover(); v != nil { // as of a nil pointer that is no nil error
			r.text = fmt.Sprintf("an error of type %T, whose methods panic: %v", why, v)
			r.err = errors.New(r.text)
		}
	}()
	r.text = why.Error()
	if errors.Is(why, context.Canceled) {
		r.outcome = wire.Cancelled
	}
	return r
}

// packagesFailed is the failure of a run that was completed past failed packages.
type packagesFailed struct {
	text  string
	first error
}

func (e *packagesFailed) Error() string { return e.text }
func (e *packagesFailed) Unwrap() error { return e.first }

// JobID returns the ID of the job.
func (j *Job) JobID() uuid.UUID {
	if j == nil {
		return uuid.Nil
	}
	return j.jobID
}

// RunID returns the ID of this run.
func (j *Job) RunID() uuid.UUID {
	if j == nil {
		return uuid.Nil
	}
	return j.runID
}

// Ended reports whether the run has ended, with success or not.
func (j *Job) Ended() bool {
	if j == nil {
		return false
	}
	j.mu.Lock()
	defer j.unlock()
	return j.ended
}

// Failure returns the error with which the run was failed or cancelled, or an
// error that says how it was abandoned. If the run was completed past failed
// packages, Failure returns an error that wraps that of the first one. It
// returns nil before the end of the run, and after a Complete without failed
// packages, unless the outcome is Failed.
func (j *Job) Failure() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.unlock()
	return j.failure
}

// Progress returns the progress of the run so far. It is part of each event.
func (j *Job) Progress() wire.Progress {
	if j == nil {
		return wire.Progress{}
	}
	j.mu.Lock()
	defer j.unlock()
	return j.progressSoFar()
}

// Complete ends the run with JobCompleted. The outcome is Succeeded if there
// were no errors, and SucceededWithErrors otherwise; it is Failed if there were
// errors and nothing was imported although there was something to move. The log
// of the event has a warning if less or more was moved than was announced.
// Complete returns a [wire.BadTransition] error while a package is open, and a
// [wire.RunEnded] error after the end of the run.
func (j *Job) Complete() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.unlock()
	if j.ended {
		return j.errEnded(wire.JobCompleted)
	}
	for _, p := range j.openPackages() {
		if p.brokenOff == nil {
			return wire.Errorf(wire.BadTransition, "momserver: cannot publish %v for job %q while package %d is %v; complete or fail the package first", wire.JobCompleted, j.init.Name, p.header.Number, p.state)
		}
	}
	if err := j.failBrokenOff(); err != nil {
		return err
	}
	outcome := j.outcome()
	if err := j.change(wire.Status{State: wire.JobCompleted, SentTime: j.began}, nil, func() { j.sumUp(outcome) }); err != nil {
		return err
	}
	switch p := &j.progress; {
	case p.PackagesFailed > 0:
		j.setFailure(cause{err: j.packageFailure.err, text: fmt.Sprintf("momserver: %d of %d packages failed, the first with: %s", p.PackagesFailed, j.started, j.packageFailure.text)})
		j.failure = &packagesFailed{j.failureText, j.packageFailure.err}
	case outcome == wire.Failed:
		text := fmt.Sprintf("momserver: nothing was imported, and there were errors: %d", p.Errors)
		j.setFailure(cause{err: errors.New(text), text: text})
	}
	return nil
}

// setFailure sets what Failure returns. mu is held.
func (j *Job) setFailure(why cause) { j.failure, j.failureText = why.err, why.text }

// outcome returns the outcome of the run if it is completed now. mu is held.
func (j *Job) outcome() wire.Outcome {
	end := wire.Event{Data: wire.TransferData{Initialize: j.init, Status: wire.Status{State: wire.JobCompleted, Final: true}, Progress: j.progress}}
	return end.Outcome()
}

// sumUp adds to the log how the completed run went, and makes its totals what
// was done if it succeeded. mu is held.
func (j *Job) sumUp(outcome wire.Outcome) {
	p := &j.progress
	if outcome != wire.Succeeded {
		how, errs := "completed with errors", "errors"
		if outcome == wire.Failed {
			how = "nothing was imported"
		}
		if p.Errors == 1 {
			errs = "error"
		}
		j.logLocked(wire.SeverityProcessing, "", fmt.Sprintf("%s: %d of %d packages failed, %d %s in all", how, p.PackagesFailed, j.started, p.Errors, errs))
	}
	if j.init.DryRun {
		return // the totals are what would have been done
	}
	j.checkAnnounced()
	if p.PackagesFailed == 0 && p.Errors == 0 {
		p.PackagesTotal, p.FilesTotal, p.BytesTotal = p.PackagesDone, p.FilesDone, p.BytesDone
	}
}

// checkAnnounced adds a warning to the log if less or more was moved than was
// announced. mu is held.
func (j *Job) checkAnnounced() {
	p := &j.progress
	var odd []string
	if p.PackagesTotal > 0 && (p.PackagesDone > p.PackagesTotal || p.PackagesDone+p.PackagesFailed < p.PackagesTotal) {
		odd = append(odd, fmt.Sprintf("%d of %d packages", p.PackagesDone, p.PackagesTotal))
	}
	whole := p.PackagesFailed == 0                    // otherwise the rest is less anyway
	counted := p.FilesDone > 0 || p.PackagesDone == 0 // the program may not count files
	if p.FilesTotal > 0 && p.FilesDone != p.FilesTotal && p.FilesDone+p.FilesSkipped != p.FilesTotal && whole && counted {
		odd = append(odd, fmt.Sprintf("%d of %d files", p.FilesDone, p.FilesTotal))
	}
	if p.BytesTotal > 0 && p.BytesDone != p.BytesTotal && whole {
		odd = append(odd, fmt.Sprintf("%d of %d bytes", p.BytesDone, p.BytesTotal))
	}
	text := ""
	if len(odd) > 0 {
		text = "moved " + strings.Join(odd, ", ") + " that were announced"
	}
	if j.differing > 0 {
		text += fmt.Sprintf("; packages that moved more or less than their size: %d", j.differing)
	}
	if text = strings.TrimPrefix(text, "; "); text != "" {
		j.logLocked(wire.SeverityWarning, "", text)
	}
}

// Fail ends the run with ExportingError, because a package could not be made or
// the run cannot go on. The log of the event has the text of why. If why wraps
// context.Canceled, Fail is Cancel. Fail returns a [wire.RunEnded] error after
// the end of the run.
func (j *Job) Fail(why error) error {
	return j.FailItem("", why)
}

// FailItem is Fail, and the log names item, the file or page at fault.
func (j *Job) FailItem(item string, why error) error {
	if j == nil {
		return nil
	}
	return j.fail(item, causeOf(why))
}

// Cancel ends the run, because it is broken off on purpose: with ExportingError
// and the outcome Cancelled. The log of the event has the text of why as a
// warning; nil stands for context.Canceled. No error is counted, and no event
// ends the open packages. Cancel returns a [wire.RunEnded] error after the end
// of the run.
func (j *Job) Cancel(why error) error {
	if j == nil {
		return nil
	}
	r := causeOf(cmp.Or(why, context.Canceled))
	r.outcome = wire.Cancelled
	return j.fail("", r)
}

func (j *Job) fail(item string, why cause) error {
	j.mu.Lock()
	defer j.unlock()
	if j.ended {
		return j.errEnded(wire.ExportingError)
	}
	return j.failLocked(nil, item, why)
}

// failLocked ends the run with ExportingError. p is the package at fault; nil for
// none. mu is held.
func (j *Job) failLocked(p *Package, item string, why cause) error {
	if err := j.change(wire.Status{State: wire.ExportingError, Outcome: why.outcome, SentTime: j.began}, nil, func() { j.logEnd(p, item, why) }); err != nil {
		return err
	}
	j.setFailure(why)
	return nil
}

// logEnd adds to the log why the run ends, and how many packages besides p are
// open. mu is held.
func (j *Job) logEnd(p *Package, item string, why cause) {
	open := len(j.open)
	if _, ok := j.open[p]; ok {
		open--
	}
	if open > 0 {
		j.logLocked(wire.SeverityProcessing, "", fmt.Sprintf("packages under way at the end of the run: %d", open))
	}
	severity := wire.SeverityError
	if why.outcome == wire.Cancelled {
		severity = wire.SeverityWarning
	}
	j.logLocked(severity, item, why.text)
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
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.unlock()
	if j.ended {
		return
	}
	text := "momserver: " + why
	j.setFailure(cause{err: errors.New(text), text: text})
	if err := j.change(wire.Status{State: wire.ExportingError, SentTime: j.began}, nil, func() { j.logAbandoned(why) }); err != nil {
		j.logUnpublishedEnd(err)
		j.end()
	}
}

// serverStops ends the run as abandon does. Unless Config.Strict is set, the
// run ends for the subscribers only.
func (j *Job) serverStops(why string) {
	if j.srv.cfg.Strict {
		j.abandon(why)
		return
	}
	j.mu.Lock()
	defer j.unlock()
	if j.ended || j.unpublished {
		return
	}
	before := j.account
	j.logAbandoned(why)
	if err := j.emit(wire.Status{State: wire.ExportingError, SentTime: j.began}, nil); err != nil {
		j.logUnpublishedEnd(err)
	}
	j.account, j.unpublished = before, true
	j.log, j.logDropped = nil, 0
	j.srv.removeJob(j)
}

// logAbandoned adds to the log that the run is abandoned, and in which state
// its packages are. mu is held.
func (j *Job) logAbandoned(why string) {
	for _, p := range j.openPackages() {
		j.logLocked(wire.SeverityError, p.body.Item, fmt.Sprintf("package %d was left %v", p.header.Number, p.state))
	}
	j.logLocked(wire.SeverityError, "", why)
}

func (j *Job) logUnpublishedEnd(err error) {
	j.later(func() {
		j.srv.cfg.Logger.Error("momserver: the event that ends a run could not be published", "job", j.jobID, "run", j.runID, "error", err)
	})
}

// later writes a log line when mu is free. A Logger that panics does not end the
// program. mu is held.
func (j *Job) later(write func()) {
	j.lines = append(j.lines, func() {
		defer func() { recover() }()
		write()
	})
}

// openPackages returns the open packages in the order of their numbers. mu is
// held.
func (j *Job) openPackages() []*Package {
	return slices.SortedFunc(maps.Keys(j.open), func(a, b *Package) int { return cmp.Compare(a.header.Number, b.header.Number) })
}

// failBrokenOff publishes the failures of the packages that were broken off,
// because the run goes on without them. mu is held.
func (j *Job) failBrokenOff() error {
	if j.brokenOff == 0 {
		return nil
	}
	for _, p := range j.openPackages() {
		if p.brokenOff != nil {
			if err := p.fail(p.brokenOffItem, cause{p.brokenOff.err, p.brokenOff.text, wire.Failed}); err != nil {
				return err
			}
		}
	}
	return nil
}

// errEnded returns the error of a change after the run's end. mu is held.
func (j *Job) errEnded(state wire.State) error {
	how := "it was completed"
	if j.failure != nil {
		how = duplex.Clip(j.failureText, maxLogText)
	}
	return wire.Errorf(wire.RunEnded, "momserver: cannot publish %v for job %q, because the run has ended: %s", state, j.init.Name, how)
}

// progressSoFar returns the progress with what has arrived of open packages. mu
// is held.
func (j *Job) progressSoFar() wire.Progress {
	p := j.progress
	p.BytesDone += j.openBytes
	if p.BytesTotal > 0 {
		p.BytesTotal = max(p.BytesTotal, p.BytesDone)
	} else {
		p.OpenThousandths = j.openThousandths
	}
	if p.FilesTotal > 0 {
		p.FilesTotal = max(p.FilesTotal, p.FilesDone)
	}
	if p.PackagesTotal > 0 {
		p.PackagesTotal = max(p.PackagesTotal, j.started)
	}
	return p
}

// bytesLeft returns how many more bytes the run can count. mu is held.
func (j *Job) bytesLeft() int64 { return math.MaxInt64 - j.progress.BytesDone - j.openBytes }

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
// log so far. If the event is refused, the log is kept for the next one. An event
// that is too large for this server is no reason to refuse a change, except for
// the start of a package: it is counted as refused, unless Config.Strict is set.
// mu is held.
func (j *Job) publish(status wire.Status, pkg *Package) error {
	if pkg != nil && pkg.unpublished {
		return nil // the run's next event has the log
	}
	if !j.unpublished {
		err := j.emit(status, pkg)
		if errors.Is(err, wire.TooLarge) && status.State != wire.PackageInitialized && status.State != wire.JobInitialized && !j.srv.cfg.Strict {
			j.refused("momserver: a change of a run is not published", err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	j.log, j.logDropped = nil, 0
	if status.State.EndsRun(j.init.ContinueOnError) {
		j.end()
	}
	return nil
}

// emit publishes an event as publish does, and changes nothing here. From an event
// that is too large it leaves out one part after another, because a change of state
// is worth more than its texts. mu is held.
func (j *Job) emit(status wire.Status, pkg *Package) error {
	status.Log = j.log
	if j.logDropped > 0 {
		status.Log = append(slices.Clip(j.log), wire.LogEntry{Time: time.Now().UTC(), Severity: wire.SeverityProcessing, Message: fmt.Sprintf("%d more log entries", j.logDropped)})
	}
	if status.ReceivedTime.IsZero() {
		status.ReceivedTime = time.Now().UTC()
	}
	ev := wire.Event{JobID: j.jobID, RunID: j.runID, Data: wire.TransferData{Initialize: j.init, Status: status, Progress: j.progressSoFar()}}
	var header wire.PackageHeader
	var body wire.PackageBody
	switch {
	case pkg != nil:
		header, body = pkg.header, pkg.body
		ev.Data.Header, ev.Data.Body = &header, &body
	case status.State == wire.JobInitialized && j.item != "":
		body.Item = j.item
		ev.Data.Body = &body
	}
	err := j.srv.publish(&ev, true)
	if status.State == wire.PackageInitialized && len(status.Log) == 0 {
		return err
	}
	for _, leaveOut := range [...]func(){
		func() {
			if n := len(status.Log); n > 0 {
				ev.Data.Status.Log = []wire.LogEntry{{Severity: ev.Severity(), Message: fmt.Sprintf("%d log entries left out: the event would be too large", n)}}
			}
		},
		func() { body.Item = "" },
		func() { header.TargetFilePath = "" },
		func() {
			init := *j.init
			init.Name, init.SourcePath, init.DestinationPath, init.DestinationRoot = duplex.Clip(init.Name, 64), "", "", ""
			ev.Data.Initialize, ev.Data.Status.Log = &init, nil
		},
	} {
		if !errors.Is(err, wire.TooLarge) {
			break
		}
		leaveOut()
		err = j.srv.publish(&ev, true)
		if status.State == wire.PackageInitialized {
			break // its other texts are the caller's
		}
	}
	return err
}

// end marks the run as ended. mu is held.
func (j *Job) end() {
	j.ended = true
	clear(j.open)
	j.progress.BytesDone, j.openBytes = j.progress.BytesDone+j.openBytes, 0 // as in the last event
	if j.srv != nil {
		j.srv.removeJob(j)
	}
}
