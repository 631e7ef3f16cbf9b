package simulation_test

import (
	"context"
	"errors"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// jobRun is a run through the upper door: it scans, and makes packages one after
// another, of which some are moved again in part, moved only in part, or fail.
// The run then goes on or not. Some runs are cancelled.
type jobRun struct {
	*publisher
	job      *momserver.Job
	severity wire.Severity // of what has been logged for the next event
	dryRun   bool
	expects  bool       // 2 packages of 1,000 bytes each
	differs  bool       // a package moved less than its size
	arrived  bool       // the package that is going on
	broken   []expected // the failures of packages that were broken off
	imported int        // packages
	failed   int        // packages
	bytes    int64      // of the imported packages
}

// runJob lives through a run of one of the publisher's jobs.
func (p *publisher) runJob() {
	i := p.rand.IntN(len(p.jobs))
	p.begin(i)
	p.goesOn = !p.odds(3)
	r := &jobRun{publisher: p, severity: wire.SeverityProcessing, dryRun: p.odds(5)}
	err := r.step(func() (err error) {
		if r.job, err = p.srv.StartJob(p.jobs[i], wire.InitializeData{Name: p.names[i], ContinueOnError: p.goesOn, DryRun: r.dryRun}); err == nil {
			p.current.RunID = r.job.RunID()
		}
		return err
	}, wire.JobInitialized, 0)
	for range p.rand.IntN(4) {
		if err == nil {
			err = r.scan()
		}
	}
	for range 1 + p.rand.IntN(3) {
		if err == nil {
			err = r.runPackage()
		}
	}
	switch {
	case r.job == nil || r.job.Ended():
	case errors.Is(err, context.Canceled), err == nil && p.odds(5):
		r.log(wire.SeverityWarning)
		r.step(func() error {
			if p.odds(2) {
				return r.job.Fail(context.Canceled)
			}
			return r.job.Cancel(nil)
		}, wire.ExportingError, wire.Cancelled)
	case err != nil || p.leaving() || p.odds(4):
		r.log(wire.SeverityError)
		r.step(func() error { return r.job.Fail(errors.New("enough")) }, wire.ExportingError, wire.Failed)
	default:
		r.complete()
	}
}

func (r *jobRun) complete() {
	r.failed += len(r.broken)
	outcome := wire.Succeeded
	switch {
	case r.failed > 0 && r.imported == 0:
		outcome = wire.Failed
	case r.failed > 0:
		outcome = wire.SucceededWithErrors
	}
	if r.failed > 0 {
		r.log(wire.SeverityError)
	} else if !r.dryRun && (r.differs || r.expects && (r.imported != 2 || r.bytes != 2000)) {
		r.log(wire.SeverityWarning)
	}
	r.step(r.job.Complete, wire.JobCompleted, outcome)
}

// log raises the severity of the next event.
func (r *jobRun) log(severity wire.Severity) { r.severity = max(r.severity, severity) }

var errLeaving = errors.New("the server is about to end")

// step makes a call that publishes an event of the state, or none. outcome is
// that of the run if the event ends it.
func (r *jobRun) step(call func() error, state wire.State, outcome wire.Outcome) error {
	before := r.srv.Stats().Published
	events := []expected{{state, r.severity, outcome}}
	switch state {
	case wire.PackageInitialized: // the run goes on without the packages that were broken off
		events = append(events, r.broken...)
	case wire.JobCompleted:
		events = append(r.broken, events...)
	}
	err := r.call(call, events...)
	if err != nil && state != wire.JobInitialized {
		r.w.violated(invariant.NoStop, "%v returned %v", state, err)
	}
	if r.srv.Stats().Published > before {
		r.severity = wire.SeverityProcessing
		if state == wire.PackageInitialized {
			r.failed += len(r.broken)
			r.broken = nil
		}
	}
	return err
}

// progress is a step that reports progress.
func (r *jobRun) progress(call func(), state wire.State) error {
	return r.step(func() error { call(); return nil }, state, 0)
}

// scan reports what the run works on before its first package.
func (r *jobRun) scan() error {
	r.sleep(r.between(0, 800*time.Millisecond))
	if r.leaving() {
		return errLeaving
	}
	return r.progress(one(r.actor,
		func() { r.job.Item("a directory") }, func() { r.job.Checked(3) }, func() { r.job.Skipped(2) },
		func() { r.job.Deleted(1) }, func() { r.expects = true; r.job.Expect(2, 4, 2000) },
	), wire.JobInitialized)
}

func (r *jobRun) runPackage() error {
	const half = 500
	r.arrived = false
	var pkg *momserver.Package
	if r.odds(4) {
		r.refusePackage()
	}
	move := func(again bool) func() error {
		return func() error {
			if again {
				r.log(wire.SeverityWarning)
				if err := r.progress(func() { pkg.Retry(half, "file", errors.New("it was cut off")) }, wire.Transferring); err != nil {
					return err
				}
			}
			return r.progress(func() { pkg.Moved(half) }, wire.Transferring)
		}
	}
	steps := []func() error{
		func() error {
			return r.step(func() (err error) {
				pkg, err = r.job.StartPackage(wire.PackageHeader{}, wire.PackageBody{Files: 2})
				return err
			}, wire.PackageInitialized, 0)
		},
		func() error { return r.progress(func() { pkg.Expect(2, 2*half); pkg.Sent(half) }, wire.Transferring) },
		func() error { return r.progress(func() { pkg.Received(half) }, wire.Transferring) },
		move(r.odds(4)),
		func() error { r.arrived = true; return r.step(pkg.Transferred, wire.Transferred, 0) },
		func() error { return r.end(pkg, 2*half) },
	}
	if r.odds(6) {
		steps = append(steps[:3], steps[4:]...) // moves only half
	}
	for _, step := range steps {
		r.sleep(r.between(0, 800*time.Millisecond))
		if r.leaving() {
			return errLeaving
		}
		if r.odds(8) {
			r.job.Warn("file", "something is odd")
			r.log(wire.SeverityWarning)
		}
		if pkg != nil && r.odds(12) {
			return r.fail(pkg)
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *jobRun) end(pkg *momserver.Package, size int64) error {
	if r.odds(3) {
		return r.fail(pkg)
	}
	moved := pkg.Header().SizeOfReceivedData
	r.imported++
	r.bytes += moved
	if moved != size && !r.dryRun {
		r.differs = true
		r.log(wire.SeverityWarning)
	}
	return r.step(pkg.Complete, wire.PackageCompleted, 0)
}

// errEnded says that a failed package has ended the run.
var errEnded = errors.New("the run has ended")

// fail fails the package, or breaks it off.
func (r *jobRun) fail(pkg *momserver.Package) error {
	state := wire.TransferringError
	if r.arrived {
		state = wire.ImportingError
	}
	cancels := r.odds(3)
	switch {
	case cancels && r.goesOn:
		r.call(func() error { return pkg.Fail(context.Canceled) })
		r.broken = append(r.broken, expected{state, wire.SeverityError, 0})
		return one(r.actor, nil, context.Canceled)
	case cancels:
		r.log(wire.SeverityWarning)
		r.step(func() error { return pkg.Fail(context.Canceled) }, state, wire.Cancelled)
		return errEnded
	}
	r.failed++
	r.log(wire.SeverityError)
	outcome := wire.Failed
	if r.goesOn {
		outcome = 0
	}
	err := r.step(func() error { return pkg.Fail(errors.New("it is damaged")) }, state, outcome)
	if err == nil && !r.goesOn {
		err = errEnded
	}
	return err
}
