package momserver_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// TestFullLog gives the last place to the latest error, and counts the others.
func TestFullLog(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		var want []string
		for i := range 32 {
			j.Warn("item", fmt.Sprint(i))
			want = append(want, fmt.Sprintf("Warning item: %d", i))
		}
		j.Error("item", "the first error")
		j.Error("item", "the second error")
		j.Warn("item", "one more warning")
		want[31] = "Error item: the second error"
		if _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); err != nil {
			t.Fatal(err)
		}
		events := published(s)
		checkLog(t, events[1], append(want, "Processing : 3 more log entries")...)
		if p := events[1].Data.Progress; p.Warnings != 33 || p.Errors != 2 {
			t.Errorf("%+v", p)
		}
	})
}

// TestLogTexts leaves texts of 256 bytes as they are, and cuts longer ones, an
// item at its beginning and a message at its end.
func TestLogTexts(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		text := "begin" + strings.Repeat("x", 256-len("begin")-len("end")) + "end"
		j.Warn(text, text)
		j.Warn("y"+text, text+"y")
		p, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
		if err != nil {
			t.Fatal(err)
		}
		checkLog(t, published(s)[1],
			fmt.Sprintf("Warning %s: %s", text, text),
			fmt.Sprintf("Warning %s: %s", "…"+text, duplex.Clip(text+"y", 256)))
		for _, item := range []string{text, "y" + text} {
			p.Item(item)
			p.Sent(1)
			p.Transferred()
			events := published(s)
			if got, want := events[len(events)-1].Data.Body.Item, strings.Replace(item, "y", "…", 1); got != want {
				t.Errorf("item %q; want %q", got, want)
			}
			if p, err = j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestLogLeftOut publishes a change without its log if that is too large, and
// with its severity.
func TestLogLeftOut(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxEventBytes: 2000}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		for range 20 {
			j.Warn(strings.Repeat("x", 256), "skipped")
		}
		if err := j.Complete(); err != nil {
			t.Fatal(err)
		}
		checkLog(t, published(s)[1], "Warning : 20 log entries left out: the event would be too large")
	})
}

// checkLog compares the log of an event, an entry a line.
func checkLog(t *testing.T, e wire.Event, want ...string) {
	t.Helper()
	var got []string
	for _, entry := range e.Data.Status.Log {
		got = append(got, fmt.Sprintf("%v %s: %s", entry.Severity, entry.Item, entry.Message))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log of event %d, %v, is\n%s; want\n%s", e.Seq, e.Data.Status.State, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSeverities of the entries that each way of reporting leaves in the log.
func TestSeverities(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		why := errors.New("no")
		const open = "Processing : packages under way at the end of the run: 1"
		for name, tc := range map[string]struct {
			report func(*momserver.Job, *momserver.Package) error
			want   []string // in the log of the event that ends the run
		}{
			"Job.Note":          {func(j *momserver.Job, _ *momserver.Package) error { j.Note("item", "text"); return j.Fail(why) }, []string{"Processing item: text", open, "Error : no"}},
			"Job.Warn":          {func(j *momserver.Job, _ *momserver.Package) error { j.Warn("item", "text"); return j.Fail(why) }, []string{"Warning item: text", open, "Error : no"}},
			"Job.Error":         {func(j *momserver.Job, _ *momserver.Package) error { j.Error("item", "text"); return j.Fail(why) }, []string{"Error item: text", open, "Error : no"}},
			"Job.FailItem":      {func(j *momserver.Job, _ *momserver.Package) error { return j.FailItem("item", why) }, []string{open, "Error item: no"}},
			"Job.Fail with nil": {func(j *momserver.Job, _ *momserver.Package) error { return j.Fail(nil) }, []string{open, "Error : no reason given"}},
			"Package.Warn":      {func(_ *momserver.Job, p *momserver.Package) error { p.Warn("item", "text"); return p.Fail(why) }, []string{"Warning item: text", "Error : no"}},
			"Package.FailItem":  {func(_ *momserver.Job, p *momserver.Package) error { return p.FailItem("item", why) }, []string{"Error item: no"}},
		} {
			j := s.MustStartJob(s.JobID, wire.InitializeData{})
			p, err := j.StartPackage(wire.PackageHeader{FileSize: 1}, wire.PackageBody{})
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.report(j, p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			events := published(s)
			checkLog(t, events[len(events)-1], tc.want...)
		}
	})
}

// TestErrorEntries makes a run that went past errors other than failed packages
// one that completed with errors, for a filter too.
func TestErrorEntries(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{Filter: wire.Filter{Severity: wire.SeverityError, States: []wire.State{wire.JobCompleted}}})
		j, _ := s.StartJob(s.JobID, wire.InitializeData{Packages: 1, Bytes: 100})
		j.Error(strings.Repeat("deep/", 100)+"file.txt", "it cannot be read")
		play(t, j, "start:A half:A rest:A transferred:A complete:A complete")
		synctest.Wait()
		s.Ran(j, "", wire.JobInitialized, wire.PackageInitialized, wire.Transferring, wire.Transferred, wire.PackageCompleted)
		s.Ledger.Publish(invariant.Mark{JobID: j.JobID(), RunID: j.RunID(), State: wire.JobCompleted, Severity: wire.SeverityError, Outcome: wire.SucceededWithErrors})
		told, events := c.Take(), published(s)
		last := events[len(events)-1]
		if last.Outcome() != wire.SucceededWithErrors || last.Data.Progress.Errors != 1 || last.Data.Progress.Fraction() != 1 || len(told) != 1 || told[0].Seq != last.Seq {
			t.Errorf("the end: %+v; told of %d", last.Data, len(told))
		}
		checkLog(t, last, "Processing : completed with errors: 0 of 1 packages failed, 1 error in all")
		log := events[1].Data.Status.Log
		if len(log) != 1 || log[0].Severity != wire.SeverityError || len(log[0].Item) > 260 || !strings.HasSuffix(log[0].Item, "deep/file.txt") {
			t.Errorf("the log: %+v", log)
		}
	})
}

// TestWarnings travel with the run's next event, and are bounded.
func TestWarnings(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j, _ := s.StartJob(s.JobID, wire.InitializeData{})
		for range 50 {
			j.Warn(strings.Repeat("å", 1000), "skipped")
		}
		if err := j.Complete(); err != nil {
			t.Fatal(err)
		}
		events := published(s)
		end := events[1]
		log := end.Data.Status.Log
		if len(log) != 33 || log[32].Message != "18 more log entries" || len(log[0].Item) > 260 {
			t.Errorf("%d entries, the last %+v", len(log), log[len(log)-1])
		}
		if end.Data.Progress.Warnings != 50 || end.Severity() != wire.SeverityWarning || end.Outcome() == wire.SucceededWithErrors {
			t.Errorf("%+v", end.Data.Progress)
		}
	})
}
