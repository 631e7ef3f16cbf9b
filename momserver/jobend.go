package momserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mom.internal/wire"
)

// jobend.go holds the ways in which a run ends, and what its last event says.

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
