package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestCancel: what is broken off on purpose ends with one event, which is no
// error, whichever way it is reported.
func TestCancel(t *testing.T) {
	why := fmt.Errorf("by the user: %w", context.Canceled)
	for name, tc := range map[string]struct {
		goesOn bool
		cancel func(j *momserver.Job, a, b *momserver.Package)
		state  wire.State
		text   string
	}{
		"Job.Cancel": {false, func(j *momserver.Job, a, b *momserver.Package) {
			j.Cancel(errors.New("stopped"))
			a.Fail(why)
			b.Fail(why)
		}, wire.ExportingError, "stopped"},
		"Job.Cancel of nil":  {false, func(j *momserver.Job, a, b *momserver.Package) { j.Cancel(nil) }, wire.ExportingError, "context canceled"},
		"Job.Fail":           {true, func(j *momserver.Job, a, b *momserver.Package) { j.Fail(why); a.Fail(why) }, wire.ExportingError, "by the user: context canceled"},
		"Package.Fail":       {false, func(j *momserver.Job, a, b *momserver.Package) { a.Fail(why); b.Fail(why); j.Fail(why) }, wire.TransferringError, "by the user: context canceled"},
		"Package.Fail, then": {true, func(j *momserver.Job, a, b *momserver.Package) { a.Fail(why); b.Fail(why); j.Fail(why) }, wire.ExportingError, "by the user: context canceled"},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			j := s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: tc.goesOn})
			a, _ := j.StartPackage(wire.PackageHeader{FileSize: 9}, wire.PackageBody{})
			b, _ := j.StartPackage(wire.PackageHeader{FileSize: 9}, wire.PackageBody{})
			a.Moved(5)
			tc.cancel(j, a, b)
			events := published(s)
			if got := states(t, events); !strings.HasPrefix(got, "JobInitialized PackageInitialized PackageInitialized Transferring") || len(events) != 5 {
				t.Errorf("%s: published %s", name, got)
			}
			last := events[len(events)-1]
			log := last.Data.Status.Log
			if p := last.Data.Progress; last.Outcome() != wire.Cancelled || last.Data.Status.State != tc.state || last.Severity() != wire.SeverityWarning ||
				p.Errors != 0 || p.PackagesFailed != 0 || p.BytesDone != 5 || log[len(log)-1].Message != tc.text || log[len(log)-1].Severity != wire.SeverityWarning {
				t.Errorf("%s: %+v", name, last.Data)
			}
			if !j.Ended() || j.Failure() == nil || s.Stats().RunsEnded[wire.Cancelled] != 1 {
				t.Errorf("%s: ended %v, %v", name, j.Ended(), j.Failure())
			}
		})
	}
}

// TestShutdownIsNotNoticed: a Shutdown ends the run for subscribers; the Job
// goes on as if nothing had happened, unless the server is strict.
func TestShutdownIsNotNoticed(t *testing.T) {
	for _, strict := range []bool{false, true} {
		srv := momserver.New(momserver.Config{Strict: strict})
		err := srv.Run(context.Background(), uuid.New(), wire.InitializeData{}, func(_ context.Context, j *momserver.Job) error {
			p, _ := j.StartPackage(wire.PackageHeader{FileSize: 4}, wire.PackageBody{})
			p.Moved(2)
			srv.Close()
			if j.Ended() != strict {
				t.Errorf("strict %v: ended %v", strict, j.Ended())
			}
			p.Moved(2)
			q, err := j.StartPackage(wire.PackageHeader{Number: 9}, wire.PackageBody{})
			for _, err := range []error{err, p.Transferred(), p.Complete()} {
				if strict != errors.Is(err, wire.RunEnded) || !strict && err != nil {
					t.Errorf("strict %v: %v", strict, err)
				}
			}
			if err := j.Complete(); !strict && !errors.Is(err, wire.BadTransition) { // a mistake is one as before
				t.Errorf("with a package open: %v", err)
			}
			q.Transferred()
			q.Complete()
			return nil
		})
		if (err != nil) != strict {
			t.Errorf("strict %v: Run returns %v", strict, err)
		}
		last := srv.Jobs()[0]
		if last.Outcome() != wire.Failed || last.Data.Progress.BytesDone != 2 || srv.Stats().Published != 4 || srv.Stats().Misuse != 0 {
			t.Errorf("strict %v: %+v, %d events", strict, last.Data, srv.Stats().Published)
		}
	}
}

// asking is an error whose text asks the Job, and which is cancelled if that says so.
type asking struct{ ask func() string }

func (e asking) Error() string { return e.ask() }
func (e asking) Is(error) bool { e.ask(); return false }

// TestCallersCode: neither an error nor a Logger of the program runs while the Job is
// locked, and neither ends the program by a panic.
func TestCallersCode(t *testing.T) {
	var job atomic.Pointer[momserver.Job]
	ask := func() string { return fmt.Sprint(job.Load().Progress().Errors, " errors before") }
	logger := slog.New(&callingHandler{func() {
		job.Load().Note("", "a line was logged")
		panic("the logger is broken")
	}})
	harness.Serve(t, momserver.Config{Logger: logger, MaxOpenPackages: 3}, func(s *harness.Server) {
		start := func(goesOn bool) *momserver.Job {
			job.Store(s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: goesOn}))
			return job.Load()
		}
		pack := func(j *momserver.Job) *momserver.Package {
			p, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		var absent *asking
		for _, why := range []error{asking{ask}, absent, fmt.Errorf("wrapped: %w", asking{ask})} {
			j := start(true)
			p := pack(j)
			p.Retry(0, "", why)
			p.Fail(why)
			j.Complete()
			j.Complete() // says how it has ended
			j.Checked(-1)
			start(false).Fail(why)
			start(false).Cancel(why)
			pack(start(false)).Fail(why)
			j = start(true)
			j.Package(wire.PackageHeader{}, wire.PackageBody{}, func(p *momserver.Package) error { p.Moved(-1); return why })
			j.Complete()
			if j.Failure() == nil || j.Failure().Error() == "" {
				t.Errorf("%T: %v", why, j.Failure())
			}
		}
		last := published(s)
		if log := last[len(last)-1].Data.Status.Log; len(log) == 0 {
			t.Error("no log")
		}
	})
}

// callingHandler is a Logger that calls, for lines about misuse.
type callingHandler struct{ call func() }

func (h *callingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *callingHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *callingHandler) WithGroup(string) slog.Handler            { return h }
func (h *callingHandler) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "misuse") {
		h.call()
	}
	return nil
}

// TestFailedIsAnError: whenever the outcome of a completed run is Failed, Run
// returns an error.
func TestFailedIsAnError(t *testing.T) {
	for _, tc := range []struct {
		init    wire.InitializeData
		skipped int
		outcome wire.Outcome
	}{
		{wire.InitializeData{FilesInPackages: 10}, 9, wire.Failed},
		{wire.InitializeData{Bytes: 10}, 0, wire.Failed},
		{wire.InitializeData{Bytes: 10, DryRun: true}, 0, wire.SucceededWithErrors},
		{wire.InitializeData{}, 0, wire.SucceededWithErrors},
	} {
		srv := momserver.New(momserver.Config{})
		err := srv.Run(context.Background(), uuid.New(), tc.init, func(_ context.Context, j *momserver.Job) error {
			j.Skipped(tc.skipped)
			j.Error("a.txt", "it cannot be read")
			return nil
		})
		if last := srv.Jobs()[0]; last.Outcome() != tc.outcome || (err != nil) != (tc.outcome == wire.Failed) {
			t.Errorf("%+v: %v, %v", tc.init, last.Outcome(), err)
		}
		srv.Close()
	}
}

// TestAnnounced warns about what was announced and not moved, with each cause.
func TestAnnounced(t *testing.T) {
	for name, tc := range map[string]struct {
		run  func(*momserver.Job, func(done bool))
		want string // "" for no warning
	}{
		"nothing moved":           {func(j *momserver.Job, _ func(bool)) { j.Expect(0, 100, 0) }, "moved 0 of 100 files that were announced"},
		"packages never begun":    {func(j *momserver.Job, pack func(bool)) { j.Expect(10, 10, 10); pack(true); pack(false) }, "moved 1 of 10 packages that were announced"},
		"all, of which one fails": {func(j *momserver.Job, pack func(bool)) { j.Expect(2, 2, 2); pack(true); pack(false) }, ""},
		"tried again as another":  {func(j *momserver.Job, pack func(bool)) { j.Expect(2, 2, 2); pack(true); pack(false); pack(true) }, ""},
		"files not counted":       {func(j *momserver.Job, pack func(bool)) { j.Expect(1, 5, 1); pack(true) }, ""},
		"others skipped": {func(j *momserver.Job, pack func(bool)) {
			j.Expect(0, 5, 0)
			j.Skipped(4)
			j.Package(wire.PackageHeader{}, wire.PackageBody{Files: 1}, func(*momserver.Package) error { return nil })
		}, ""},
		"more bytes": {func(j *momserver.Job, pack func(bool)) { j.Expect(0, 0, 1); pack(true); pack(true) }, "moved 2 of 1 bytes that were announced"},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			j := s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
			tc.run(j, func(done bool) {
				j.Package(wire.PackageHeader{FileSize: 1}, wire.PackageBody{}, func(p *momserver.Package) error {
					if !done {
						return errors.New("no")
					}
					p.Moved(1)
					return nil
				})
			})
			j.Complete()
			events, got := published(s), ""
			for _, entry := range events[len(events)-1].Data.Status.Log {
				if entry.Severity == wire.SeverityWarning {
					got += entry.Message
				}
			}
			if got != tc.want {
				t.Errorf("%s: %q; want %q", name, got, tc.want)
			}
		})
	}
}
