package momserver_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

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

// TestRunRefused returns the error of a run that cannot begin, and does not
// call its function.
func TestRunRefused(t *testing.T) {
	srv := momserver.New(momserver.Config{})
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
		if err := j.Complete(); !errors.Is(err, wire.RunEnded) {
			t.Error(err)
		}
		if _, err := s.StartJob(s.JobID, wire.InitializeData{}); !errors.Is(err, wire.Closed) {
			t.Error(err)
		}
	})
}
