package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestRun ends a run by what its function does.
func TestRun(t *testing.T) {
	boom := errors.New("boom")
	for _, test := range []struct {
		name string
		run  func(context.Context, *momserver.Job) error
		want string
		says string // in the last event's log
	}{
		{"returns nil", func(context.Context, *momserver.Job) error { return nil }, "JobInitialized JobCompleted", ""},
		{"returns an error", func(context.Context, *momserver.Job) error { return boom }, "JobInitialized ExportingError", "boom"},
		{"panics", func(context.Context, *momserver.Job) error { panic("ouch") }, "JobInitialized ExportingError", "panicked: ouch"},
		{"fails a package", func(_ context.Context, j *momserver.Job) error {
			p, err := j.StartPackage(wire.PackageHeader{FileSize: 1}, wire.PackageBody{})
			if err != nil {
				return err
			}
			return p.Fail(boom)
		}, "JobInitialized PackageInitialized TransferringError", "boom"},
		{"fails it itself", func(_ context.Context, j *momserver.Job) error { return j.Fail(boom) }, "JobInitialized ExportingError", "boom"},
		{"ends it itself, and returns an error", func(_ context.Context, j *momserver.Job) error { j.Complete(); return boom }, "JobInitialized JobCompleted", ""},
		{"ends it itself", func(_ context.Context, j *momserver.Job) error { return j.Complete() }, "JobInitialized JobCompleted", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
				func() {
					defer func() {
						if v := recover(); (v != nil) != (test.name == "panics") {
							t.Errorf("recovered %v", v)
						}
					}()
					err := s.Run(context.Background(), s.JobID, wire.InitializeData{}, test.run)
					if failed := test.says == "boom" || strings.HasSuffix(test.name, "an error"); (err != nil) != failed || err != nil && !errors.Is(err, boom) {
						t.Error(err)
					}
				}()
				events := published(s)
				if got := states(t, events); got != test.want {
					t.Errorf("published %s; want %s", got, test.want)
				}
				said := ""
				for _, entry := range events[len(events)-1].Data.Status.Log {
					said += entry.Message
				}
				if !strings.Contains(said, test.says) {
					t.Errorf("the log says %q; want %q in it", said, test.says)
				}
			})
		})
	}
}

// TestRunRefusedStrictly returns the error of a run that cannot begin, and does
// not call its function.
func TestRunRefusedStrictly(t *testing.T) {
	srv := momserver.New(momserver.Config{Strict: true})
	defer srv.Close()
	err := srv.Run(context.Background(), uuid.Nil, wire.InitializeData{}, func(context.Context, *momserver.Job) error {
		t.Error("it is run")
		return nil
	})
	if !errors.Is(err, wire.BadRequest) {
		t.Error(err)
	}
}

// TestRunGoexit ends a run whose goroutine ends within it.
func TestRunGoexit(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		go s.Run(context.Background(), s.JobID, wire.InitializeData{}, func(context.Context, *momserver.Job) error {
			runtime.Goexit()
			return nil
		})
		synctest.Wait()
		events := published(s)
		if got := states(t, events); got != "JobInitialized ExportingError" {
			t.Fatalf("published %s", got)
		}
		checkLog(t, events[1], "Error : the owner left the run without ending it")
	})
}

// TestShutdownEndsRuns with an error event, which subscribers get.
func TestShutdownEndsRuns(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{})
		j, _ := s.StartJob(s.JobID, wire.InitializeData{})
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		synctest.Wait() // Shutdown waits for the client, not for its handler
		s.Ran(j, "", wire.JobInitialized, wire.ExportingError)
		events := c.Take()
		if got := states(t, events); got != "JobInitialized ExportingError" || !strings.Contains(events[1].Data.Status.Log[0].Message, "shut down") {
			t.Errorf("got %s: %+v", got, events)
		}
		if _, err := s.StartJob(s.JobID, wire.InitializeData{}); !errors.Is(err, wire.Closed) {
			t.Error(err)
		}
	})
}

// switchedOff returns servers that monitor nothing, each for another reason.
func switchedOff(t *testing.T) map[string]*momserver.Server {
	full := momserver.New(momserver.Config{MaxRuns: 1})
	if _, err := full.StartJob(uuid.New(), wire.InitializeData{}); err != nil {
		t.Fatal(err)
	}
	closed := momserver.New(momserver.Config{})
	closed.Close()
	small := momserver.New(momserver.Config{MaxEventBytes: 20})
	t.Cleanup(func() { full.Close(); small.Close() })
	return map[string]*momserver.Server{"nil": nil, "full": full, "closed": closed, "small": small}
}

// TestRunAlwaysRuns: Run calls its function although the run is refused, and
// returns what it would return otherwise.
func TestRunAlwaysRuns(t *testing.T) {
	boom := errors.New("boom")
	pack := func(j *momserver.Job, err error) error {
		return j.Package(wire.PackageHeader{FileSize: 3}, wire.PackageBody{Files: 1}, func(p *momserver.Package) error {
			p.Moved(3)
			return err
		})
	}
	for name, srv := range switchedOff(t) {
		before := srv.Stats()
		for i, tc := range []struct {
			goesOn bool
			run    func(*momserver.Job) error
			want   string // "" for nil
		}{
			{false, func(j *momserver.Job) error { return pack(j, nil) }, ""},
			{false, func(j *momserver.Job) error { return pack(j, boom) }, "boom"},
			{false, func(j *momserver.Job) error { return j.Fail(boom) }, "boom"},
			{true, func(j *momserver.Job) error { pack(j, boom); pack(j, nil); return nil }, "momserver: 1 of 2 packages failed, the first with: boom"},
			{true, func(j *momserver.Job) error { pack(j, nil); return nil }, ""},
			{true, func(j *momserver.Job) error { j.Cancel(boom); return nil }, "boom"},
			{false, func(j *momserver.Job) error { j.Item("a"); j.Warn("a", "b"); j.Expect(1, 2, 3); return nil }, ""},
		} {
			ran := false
			err := srv.Run(context.Background(), uuid.New(), wire.InitializeData{Name: strings.Repeat("n", 20), ContinueOnError: tc.goesOn}, func(_ context.Context, j *momserver.Job) error {
				ran = true
				return tc.run(j)
			})
			if !ran || (err == nil) != (tc.want == "") || err != nil && (err.Error() != tc.want || !errors.Is(err, boom)) {
				t.Errorf("%s, run %d: called %v, %v; want %q", name, i, ran, err, tc.want)
			}
		}
		if st := srv.Stats(); srv != nil && (st.Refused != before.Refused+7 || st.Published != before.Published || st.Misuse != 0) {
			t.Errorf("%s: %d refused, %d events, %d misuses", name, st.Refused, st.Published-before.Published, st.Misuse)
		}
	}
}

// TestRunPackages: with ContinueOnError, Run returns an error if a package has
// failed, and the outcome tells whether anything was imported.
func TestRunPackages(t *testing.T) {
	denied := errors.New("403 denied")
	for _, tc := range []struct {
		packages string // d for done, f for failed
		outcome  wire.Outcome
		err      string
	}{
		{"", wire.Succeeded, ""},
		{"dd", wire.Succeeded, ""},
		{"df", wire.SucceededWithErrors, "momserver: 1 of 2 packages failed, the first with: 403 denied"},
		{"fff", wire.Failed, "momserver: 3 of 3 packages failed, the first with: 403 denied"},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			err := s.Run(context.Background(), s.JobID, wire.InitializeData{ContinueOnError: true}, func(_ context.Context, j *momserver.Job) error {
				for _, p := range tc.packages {
					err := j.Package(wire.PackageHeader{}, wire.PackageBody{}, func(*momserver.Package) error {
						if p == 'f' {
							return denied
						}
						return nil
					})
					if (err == denied) != (p == 'f') {
						t.Errorf("Package returns %v", err)
					}
				}
				return nil
			})
			if got := fmt.Sprint(err); tc.err == "" && err != nil || tc.err != "" && got != tc.err || err != nil && !errors.Is(err, denied) {
				t.Errorf("%q: %v", tc.packages, err)
			}
			events := published(s)
			if last := events[len(events)-1]; last.Outcome() != tc.outcome || last.Data.Status.State != wire.JobCompleted {
				t.Errorf("%q: %v, %v", tc.packages, last.Data.Status.State, last.Outcome())
			}
		})
	}
}

// TestPackageFunction ends a package by what its function does.
func TestPackageFunction(t *testing.T) {
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		do   func(*momserver.Package) error
		want string
		log  string // of the package's last event
	}{
		"returns nil":      {func(p *momserver.Package) error { p.Moved(1); return nil }, "Transferring Transferred PackageCompleted", ""},
		"returns an error": {func(p *momserver.Package) error { p.Item("a.txt"); return boom }, "TransferringError", "Error a.txt: boom"},
		"panics":           {func(p *momserver.Package) error { p.Item("a.txt"); panic("ouch") }, "TransferringError", "Error a.txt: the function given to Package panicked: ouch"},
		"calls Goexit":     {func(p *momserver.Package) error { runtime.Goexit(); return nil }, "TransferringError", "Error : the function given to Package called runtime.Goexit"},
		"has transferred":  {func(p *momserver.Package) error { return p.Transferred() }, "Transferred PackageCompleted", ""},
		"has completed":    {func(p *momserver.Package) error { p.Transferred(); return p.Complete() }, "Transferred PackageCompleted", ""},
		"has failed":       {func(p *momserver.Package) error { p.Transferred(); p.FailItem("b", boom); return nil }, "Transferred ImportingError", "Error b: boom"},
		"fails and tells":  {func(p *momserver.Package) error { p.FailItem("b", boom); return boom }, "TransferringError", "Error b: boom"},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			j := s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
			over := make(chan error, 1)
			go func() {
				defer close(over)
				defer func() {
					if v := recover(); (v != nil) != (name == "panics") {
						t.Errorf("%s: recovered %v", name, v)
					}
				}()
				over <- j.Package(wire.PackageHeader{FileSize: 1}, wire.PackageBody{Files: 1}, tc.do)
			}()
			err, returned := <-over
			if returned == (name == "panics" || name == "calls Goexit") || (err != nil) != (name == "returns an error" || name == "fails and tells") {
				t.Errorf("%s: %v, %v", name, returned, err)
			}
			events := published(s)
			if got := states(t, events[2:]); got != tc.want {
				t.Errorf("%s: published %s; want %s", name, got, tc.want)
			}
			if tc.log != "" {
				checkLog(t, events[len(events)-1], tc.log)
			}
		})
	}
}

// TestPackageRefused: Package calls its function although the package is
// refused, and counts it; after the end of the run it does not.
func TestPackageRefused(t *testing.T) {
	boom := errors.New("boom")
	for _, strict := range []bool{false, true} {
		harness.Serve(t, momserver.Config{Strict: strict, MaxOpenPackages: 1}, func(s *harness.Server) {
			j := s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
			first, _ := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
			calls := 0
			do := func(result error) error {
				return j.Package(wire.PackageHeader{}, wire.PackageBody{Files: 2}, func(p *momserver.Package) error {
					calls++
					p.Moved(1)
					return result
				})
			}
			a, b := do(nil), do(boom)
			p := j.Progress()
			if strict && (!errors.Is(a, wire.Full) || !errors.Is(b, wire.Full) || calls != 0 || p.PackagesFailed != 0) ||
				!strict && (a != nil || b != boom || calls != 2 || p.PackagesDone != 1 || p.FilesDone != 2 || p.PackagesFailed != 1 || p.BytesDone != 1 || p.Errors != 1) {
				t.Errorf("strict %v: %v, %v, %d calls, %+v", strict, a, b, calls, p)
			}
			if do(context.Canceled); !strict && j.Progress().PackagesFailed != 1 {
				t.Errorf("one that was cancelled has failed: %+v", j.Progress())
			}
			first.Fail(boom)
			j.Complete()
			calls = 0
			if err := do(nil); !errors.Is(err, wire.RunEnded) || calls != 0 {
				t.Errorf("after the end: %v, %d calls", err, calls)
			}
		})
	}
}

// TestBrokenOffPackage: a package that was cancelled in a run that goes on fails
// when the run does go on, and can do nothing meanwhile.
func TestBrokenOffPackage(t *testing.T) {
	for name, goOn := range map[string]func(*momserver.Job){
		"another package": func(j *momserver.Job) {
			j.Package(wire.PackageHeader{}, wire.PackageBody{}, func(*momserver.Package) error { return nil })
			j.Complete()
		},
		"Complete": func(j *momserver.Job) { j.Complete() },
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			j := s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
			p, _ := j.StartPackage(wire.PackageHeader{FileSize: 9}, wire.PackageBody{})
			q, _ := j.StartPackage(wire.PackageHeader{FileSize: 9}, wire.PackageBody{})
			q.Transferred()
			p.FailItem("p.txt", context.Canceled)
			q.FailItem("q.txt", context.Canceled)
			if p.Moved(1); s.Stats().Misuse != 1 {
				t.Error("bytes of a package that was cancelled are counted")
			}
			for _, err := range []error{p.Transferred(), p.Fail(nil), p.Fail(context.Canceled), q.Complete()} {
				if !errors.Is(err, wire.BadTransition) || !strings.Contains(err.Error(), "was cancelled and cannot become") {
					t.Error(err)
				}
			}
			if n := len(published(s)); n != 4 {
				t.Errorf("%d events", n)
			}
			goOn(j)
			events := published(s)
			failures := events[4:6]
			if name == "another package" {
				failures = events[5:7]
			}
			if got := states(t, failures); got != "TransferringError ImportingError" {
				t.Errorf("%s: published %s", name, got)
			}
			checkLog(t, failures[0], "Error p.txt: context canceled")
			checkLog(t, failures[1], "Error q.txt: context canceled")
			last := events[len(events)-1]
			if want := map[string]wire.Outcome{"another package": wire.SucceededWithErrors, "Complete": wire.Failed}[name]; last.Outcome() != want || last.Data.Progress.PackagesFailed != 2 {
				t.Errorf("%s: %v, %+v", name, last.Outcome(), last.Data.Progress)
			}
		})
	}
}

// TestParallelPackages runs images of three layers at once, each layer of three
// parts at once, as a tool does that copies between registries.
func TestParallelPackages(t *testing.T) {
	const parts, part = 3, 1000
	for name, tc := range map[string]struct {
		move    func(ctx context.Context, p *momserver.Package, layer, i int) error
		outcome wire.Outcome
		errs    bool
	}{
		"one retried": {func(_ context.Context, p *momserver.Package, layer, i int) error {
			p.Moved(part)
			if layer == 1 && i == 2 {
				p.Retry(part, "layer 1, part 2", errors.New("503"))
				p.Moved(part)
			}
			return nil
		}, wire.Succeeded, false},
		"denied": {func(context.Context, *momserver.Package, int, int) error { return errors.New("403") }, wire.Failed, true},
		"cancelled": {func(ctx context.Context, p *momserver.Package, layer, i int) error {
			p.Moved(part)
			<-ctx.Done()
			return ctx.Err()
		}, wire.Cancelled, true},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			quiet := 0
			defer time.AfterFunc(time.Second, func() { // by then, everything waits
				quiet = len(published(s))
				cancel()
			}).Stop()
			err := s.Run(ctx, s.JobID, wire.InitializeData{Packages: 3, Bytes: 3 * parts * part, ContinueOnError: true}, func(ctx context.Context, job *momserver.Job) error {
				var layers sync.WaitGroup
				for layer := range 3 {
					layers.Go(func() {
						job.Package(wire.PackageHeader{FileSize: parts * part}, wire.PackageBody{Files: 1}, func(p *momserver.Package) error {
							results := make(chan error, parts)
							for i := range parts {
								go func() { results <- tc.move(ctx, p, layer, i) }()
							}
							return errors.Join(<-results, <-results, <-results)
						})
					})
				}
				layers.Wait()
				return ctx.Err()
			})
			events := published(s)
			last := events[len(events)-1]
			if (err != nil) != tc.errs || last.Outcome() != tc.outcome {
				t.Errorf("%s: %v, %v", name, err, last.Outcome())
			}
			switch p := last.Data.Progress; tc.outcome {
			case wire.Succeeded:
				if p.Retries != 1 || p.BytesDone != 3*parts*part || p.Warnings != 1 || p.Errors != 0 {
					t.Errorf("%s: %+v", name, p)
				}
			case wire.Failed:
				if p.PackagesFailed != 3 || p.BytesDone != 0 {
					t.Errorf("%s: %+v", name, p)
				}
			case wire.Cancelled:
				if len(events) != quiet+1 || p.Errors != 0 || p.PackagesFailed != 0 {
					t.Errorf("%s: %d events after the cancel, %+v", name, len(events)-quiet, p)
				}
			}
		})
	}
}

// TestRefusedPackageEndsRun: the failure of a package that was refused ends a run
// that does not continue on error, and its reason is told.
func TestRefusedPackageEndsRun(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxOpenPackages: 1}, func(s *harness.Server) {
		full := errors.New("disk full")
		err := s.Run(context.Background(), s.JobID, wire.InitializeData{}, func(_ context.Context, j *momserver.Job) error {
			return j.Package(wire.PackageHeader{}, wire.PackageBody{}, func(*momserver.Package) error {
				return j.Package(wire.PackageHeader{}, wire.PackageBody{}, func(p *momserver.Package) error {
					p.Item("a.txt")
					return full
				})
			})
		})
		events := published(s)
		last := events[len(events)-1]
		if err != full || last.Outcome() != wire.Failed || last.Data.Status.State != wire.ExportingError || last.Data.Progress.PackagesFailed != 1 {
			t.Errorf("%v, %+v", err, last.Data)
		}
		checkLog(t, last, "Processing : packages under way at the end of the run: 1", "Error a.txt: disk full")
	})
}

// TestCancelledMakeRoom: packages that were cancelled count for MaxOpenPackages only
// until the run goes on.
func TestCancelledMakeRoom(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxOpenPackages: 2}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
		for range 2 {
			p, _ := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
			p.Fail(context.Canceled)
		}
		for range 2 {
			if _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); err != nil {
				t.Error(err)
			}
		}
		if p := j.Progress(); p.PackagesFailed != 2 {
			t.Errorf("%+v", p)
		}
	})
}
