package momserver

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// Run starts a run as StartJob does, calls run with ctx and the [Job], and ends
// the run: with Complete if run returns nil, and with Fail if run returns an
// error, unless run has already ended it. If run panics or calls
// runtime.Goexit, Run ends the run with an ExportingError event, and the panic
// continues.
//
// Run always calls run. If StartJob refuses the run, the refusal is logged and
// counted in [Stats.Refused], and run gets a Job of which nothing is published.
// With Config.Strict, Run instead returns the error of StartJob without a call
// of run. The Run of a nil *Server only calls run, with such a Job.
//
// Run returns the error of run or, if run returns nil, that of Complete or else
// [Job.Failure], so that it returns an error if a package has failed.
func (s *Server) Run(ctx context.Context, jobID uuid.UUID, init wire.InitializeData, run func(context.Context, *Job) error) error {
	j, err := s.StartJob(jobID, init)
	if err != nil && s.cfg.Strict {
		return err
	}
	if j == nil {
		s.logRefused("momserver: a run is not monitored", err, "job", jobID, "name", init.Name)
		j = newJob(s, jobID, &init)
		j.unpublished = true
	}
	defer func() {
		if v := recover(); v != nil {
			j.abandon(fmt.Sprintf("the function given to Run panicked: %v", v))
			if s != nil {
				s.cfg.Logger.Error("momserver: the function given to Run panicked", "job", jobID, "panic", v, "stack", string(debug.Stack()))
			}
			panic(v)
		}
		j.Close() // covers runtime.Goexit
	}()
	if err := run(ctx, j); err != nil {
		j.Fail(err)
		return err
	}
	if !j.Ended() {
		if err := j.Complete(); err != nil {
			return err
		}
	}
	return j.Failure()
}

// Package starts a package as StartPackage does, calls do with it, and ends it:
// with Transferred and Complete if do returns nil, and with FailItem and the
// package's Item if do returns an error, unless do has already ended it. If do
// panics or calls runtime.Goexit, Package fails the package, and the panic
// continues.
//
// If StartPackage refuses the package, do is called with a Package that is not
// published, but counts in the run's Progress and for its outcome. The refusal is
// logged and counted in [Stats.Refused]. After the end of the run, and with
// Config.Strict, Package instead returns the error of StartPackage without a call
// of do.
//
// Package returns the error of do, also if the run continues on error: the
// caller then goes on with the next package, and Run returns an error in the
// end. If do returns nil, Package returns the error of Transferred or Complete.
func (j *Job) Package(header wire.PackageHeader, body wire.PackageBody, do func(*Package) error) error {
	if j == nil {
		return do(nil)
	}
	p, err := j.StartPackage(header, body)
	if err != nil {
		if errors.Is(err, wire.RunEnded) || j.srv != nil && j.srv.cfg.Strict {
			return err
		}
		j.srv.logRefused("momserver: a package is not monitored", err, "job", j.jobID, "run", j.runID)
		if p = j.refusedPackage(header, body); p == nil {
			return err // the run has ended meanwhile
		}
	}
	returned := false
	defer func() {
		if !returned && !p.ended() {
			why := errors.New("the function given to Package called runtime.Goexit")
			v := recover()
			if v != nil {
				why = fmt.Errorf("the function given to Package panicked: %v", v)
			}
			p.FailItem(p.currentItem(), why)
			if v != nil {
				panic(v)
			}
		}
	}()
	err = do(p)
	returned = true
	if err != nil {
		p.FailItem(p.currentItem(), err) // refused if do has ended the package
		return err
	}
	return p.finish()
}
