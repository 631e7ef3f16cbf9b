package simulation_test

import (
	"errors"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// jobRun is a run through the upper door: packages one after another, of which
// some fail, and the run goes on.
type jobRun struct {
	*publisher
	job      *momserver.Job
	severity wire.Severity // of what has been logged for the next event
	imported int           // packages
	failed   int           // packages
}

// runJob lives through a run of one of the publisher's jobs.
func (p *publisher) runJob() {
	i := p.rand.IntN(len(p.jobs))
	p.begin(i)
	p.goesOn = true
	r := &jobRun{publisher: p, severity: wire.SeverityProcessing}
	err := r.step(func() (err error) {
		if r.job, err = p.srv.StartJob(p.jobs[i], wire.InitializeData{Name: p.names[i], ContinueOnError: true}); err == nil {
			p.current.RunID = r.job.RunID()
		}
		return err
	}, wire.JobInitialized)
	for range 1 + p.rand.IntN(3) {
		if err == nil {
			err = r.runPackage()
		}
	}
	switch {
	case r.job == nil:
	case err != nil || p.leaving() || p.odds(4):
		r.severity = wire.SeverityError
		r.step(func() error { return r.job.Fail(errors.New("enough")) }, wire.ExportingError)
	default:
		if r.failed > 0 {
			r.severity = wire.SeverityError
		}
		r.step(r.job.Complete, wire.JobCompleted)
	}
}

// outcome returns the outcome of the run if an event of the state ends it now.
func (r *jobRun) outcome(state wire.State) wire.Outcome {
	switch {
	case state == wire.ExportingError:
		return wire.Failed
	case state != wire.JobCompleted:
		return 0
	case r.failed == 0:
		return wire.Succeeded
	case r.imported == 0:
		return wire.Failed
	}
	return wire.SucceededWithErrors
}

var errLeaving = errors.New("the server is about to end")

// step makes a call that publishes an event of the state, or none.
func (r *jobRun) step(call func() error, state wire.State) error {
	before := r.srv.Stats().Published
	err := r.call(call, expected{state, r.severity, r.outcome(state)})
	if r.srv.Stats().Published > before {
		r.severity = wire.SeverityProcessing
	}
	return err
}

func (r *jobRun) runPackage() error {
	const half = 500
	var pkg *momserver.Package
	if r.odds(4) {
		r.refusePackage()
	}
	steps := []func() error{
		func() error {
			return r.step(func() (err error) {
				pkg, err = r.job.StartPackage(wire.PackageHeader{FileSize: 2 * half}, wire.PackageBody{Files: 2})
				return err
			}, wire.PackageInitialized)
		},
		func() error { return r.step(func() error { return pkg.Sent(half) }, wire.Transferring) },
		func() error { return r.step(func() error { return pkg.Received(half) }, wire.Transferring) },
		func() error { return r.step(func() error { return pkg.Sent(half) }, wire.Transferring) },
		func() error { return r.step(func() error { return pkg.Received(half) }, wire.Transferring) },
		func() error { return r.step(pkg.Transferred, wire.Transferred) },
		func() error { return r.end(pkg) },
	}
	for _, step := range steps {
		r.sleep(r.between(0, 800*time.Millisecond))
		if r.leaving() {
			return errLeaving
		}
		if r.odds(8) {
			r.job.Warn("file", "something is odd")
			r.severity = wire.SeverityWarning
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *jobRun) end(pkg *momserver.Package) error {
	if !r.odds(3) {
		r.imported++
		return r.step(pkg.Complete, wire.PackageCompleted)
	}
	r.severity = wire.SeverityError
	r.failed++
	return r.step(func() error { return pkg.Fail(errors.New("it is damaged")) }, wire.ImportingError)
}
