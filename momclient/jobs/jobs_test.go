package jobs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// script drives a tracker with a clock of its own, in seconds.
type script struct {
	t   *testing.T
	tr  *Tracker
	now time.Time
	seq uint64
	e   uuid.UUID // epoch
	got []Change
}

func newScript(t *testing.T, opts Options) *script {
	s := &script{t: t, now: start, e: id(1000)}
	opts.Now = func() time.Time { return s.now }
	s.tr = New(opts)
	s.tr.Connected(s.now, s.e, 0)
	return s
}

func id(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }

func (s *script) at(seconds float64) *script {
	s.now = start.Add(time.Duration(seconds * float64(time.Second)))
	return s
}

// event adds the next event, of a run of the job with the same number, at the
// time of the script. set changes the event.
func (s *script) event(run int, state wire.State, set ...func(*wire.Event)) *script {
	s.seq++
	e := wire.Event{Seq: s.seq, Epoch: s.e, JobID: id(run % 100), RunID: id(run)}
	e.Data.Initialize = &wire.InitializeData{Name: fmt.Sprintf("job %d", run%100), Packages: 2, Bytes: 1000}
	e.Data.Status = wire.Status{State: state, SentTime: s.now, ReceivedTime: s.now, Final: state.EndsRun(false)}
	e.Data.Progress = wire.Progress{BytesTotal: 1000, PackagesTotal: 2}
	for _, set := range set {
		set(&e)
	}
	s.got = append(s.got, s.tr.Event(&e)...)
	return s
}

func done(n int64) func(*wire.Event) {
	return func(e *wire.Event) { e.Data.Progress.BytesDone = n }
}

func of(number int) func(*wire.Event) {
	return func(e *wire.Event) {
		e.Data.Header = &wire.PackageHeader{Number: number, FileSize: 500}
		e.Data.Body = &wire.PackageBody{Files: 3, Item: "an item"}
	}
}

func logged(severity wire.Severity, message string) func(*wire.Event) {
	return func(e *wire.Event) {
		e.Data.Status.Log = append(e.Data.Status.Log, wire.LogEntry{Time: e.Data.Status.ReceivedTime, Severity: severity, Item: "file", Message: message})
	}
}

func missed(n uint64) func(*wire.Event) { return func(e *wire.Event) { e.Missed = n } }

func snapshot(e *wire.Event) { e.Snapshot = true }

// standing says in a word how a run stands.
func standing(r *Run) string {
	switch {
	case r.Running && r.Outcome == 0 && r.Lost == "":
		return "running"
	case !r.Running && r.Outcome != 0 && r.Lost == "":
		return r.Outcome.String()
	case !r.Running && r.Outcome == 0 && r.Lost != "":
		return "lost: " + string(r.Lost)
	}
	return fmt.Sprintf("%v, %v, %v", r.Running, r.Outcome, r.Lost)
}

// stands checks the jobs and their order, each as its number and its standing.
func (s *script) stands(want ...string) {
	s.t.Helper()
	var got []string
	for _, j := range s.tr.View().Jobs {
		got = append(got, strings.TrimPrefix(j.Name, "job ")+" "+standing(&j.Run))
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		s.t.Errorf("at %v: %q; want %q", s.now.Sub(start), got, want)
	}
}

// changed checks the changes since the last call, each as its kind, and its number
// or the number of the run and its standing.
func (s *script) changed(want ...string) {
	s.t.Helper()
	var got []string
	for _, c := range append(s.got, s.tr.Tick()...) {
		text := string(c.Kind)
		if c.Missed > 0 {
			text += fmt.Sprint(" ", c.Missed)
		}
		if c.Run.ID != uuid.Nil {
			n, _ := strconv.Atoi(c.Run.ID.String()[24:])
			text += fmt.Sprint(" ", n, " ", standing(&c.Run))
		}
		got = append(got, text)
	}
	if s.got = nil; !slices.Equal(got, want) {
		s.t.Errorf("at %v: %q; want %q", s.now.Sub(start), got, want)
	}
}

func (s *script) run(n int) RunDetail {
	s.t.Helper()
	r, ok := s.tr.Run(id(n))
	if !ok {
		s.t.Fatalf("no run %d", n)
	}
	return r
}

// TestRun follows a run from its first event to its last.
func TestRun(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized)
	s.at(1).event(1, wire.PackageInitialized, of(1))
	s.at(2).event(1, wire.Transferring, of(1), done(100), func(e *wire.Event) { e.Data.Status.SentTime = start.Add(time.Second) })
	s.at(3).event(1, wire.Transferring, of(1), done(200), func(e *wire.Event) { e.Data.Status.SentTime = start.Add(time.Second) })
	s.event(1, wire.PackageInitialized, of(2), done(200))
	r := s.run(1)
	if len(r.InFlight) != 2 || r.InFlight[0].Item != "an item" || r.Fraction != 0.2 || !r.Started.Equal(start) || !r.LastChange.Equal(s.now) {
		t.Errorf("on the way: %+v", r)
	}
	s.at(4).event(1, wire.Transferred, of(1), done(500))
	s.at(5).event(1, wire.PackageCompleted, of(1), done(500))
	d := s.run(1)
	if len(d.InFlight) != 1 || d.InFlight[0].Number != 2 {
		t.Errorf("in flight: %+v", d.InFlight)
	}
	var steps []string
	for _, st := range d.Packages[0].Steps {
		steps = append(steps, fmt.Sprint(st.State, st.Start.Sub(start), st.End.Sub(start)))
	}
	if got := strings.Join(steps, "; "); got != "MirroringPackageInitialized 1s 1s; Transferring 1s 3s; Transferred 4s 4s; MirroringPackageCompleted 5s 5s" {
		t.Errorf("steps: %s", got)
	}
	s.stands("1 running")
	s.at(10).event(1, wire.JobCompleted, done(1000))
	s.stands("1 Succeeded")
	d = s.run(1)
	if d.Fraction != 1 || d.Rate != 100 || !d.Ended.Equal(s.now) || len(d.InFlight) != 0 {
		t.Errorf("at the end: %+v", d.Run)
	}
	if p := d.Packages; p[0].State != wire.PackageCompleted || p[0].Open || p[1].Open {
		t.Errorf("packages at the end: %+v", p)
	}
	s.at(11).event(1, wire.Transferring, done(3))
	s.stands("1 Succeeded") // nothing follows an end
}

// TestStandings checks each way to end, and the order of the list.
func TestStandings(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized).event(2, wire.JobInitialized).event(3, wire.JobInitialized).event(4, wire.JobInitialized)
	s.stands("4 running", "3 running", "2 running", "1 running")
	s.changed("runStarted 1 running", "runStarted 2 running", "runStarted 3 running", "runStarted 4 running")
	s.event(3, wire.ImportingError, of(1))
	s.event(2, wire.JobCompleted, func(e *wire.Event) { e.Data.Progress.PackagesDone, e.Data.Progress.PackagesFailed = 1, 1 })
	s.event(1, wire.JobCompleted)
	s.changed("runEnded 3 Failed", "runEnded 2 SucceededWithErrors", "runEnded 1 Succeeded")
	s.stands("4 running", "1 Succeeded", "2 SucceededWithErrors", "3 Failed")
	s.event(103, wire.JobInitialized)
	s.stands("3 running", "4 running", "1 Succeeded", "2 SucceededWithErrors")
	v := s.tr.View()
	if want := (Counts{Running: 2, Succeeded: 1, SucceededWithErrors: 1}); v.Counts != want {
		t.Errorf("%+v; want %+v", v.Counts, want)
	}
	if v.Jobs[0].Earlier != 1 {
		t.Errorf("job 3 has %d earlier runs", v.Jobs[0].Earlier)
	}
	j, _ := s.tr.Job(id(3))
	if len(j.Runs) != 2 || j.Runs[0].ID != id(103) || j.Runs[1].Outcome != wire.Failed || j.Run.ID != j.Runs[0].ID {
		t.Errorf("runs of job 3: %+v", j.Runs)
	}
	if _, ok := s.tr.Job(id(77)); ok {
		t.Error("there is a job 77")
	}
	if _, ok := s.tr.Run(id(77)); ok {
		t.Error("there is a run 77")
	}
	s.event(5, wire.ExportingError, func(e *wire.Event) { e.Data.Status.Outcome = wire.Cancelled })
	s.event(6, wire.JobCompleted, func(e *wire.Event) { e.Data.Status.Outcome = 99 })
	s.changed("runStarted 103 running", "runStarted 5 running", "runEnded 5 Cancelled", "runStarted 6 running", "runEnded 6 Outcome(99)")
	if n := s.tr.View().Counts; n.Cancelled != 1 || n.Failed != 1 {
		t.Errorf("%+v", n)
	}
	if p := s.tr.View().Problems[0]; p.Severity != wire.SeverityWarning || p.Message != "the run was cancelled" {
		t.Errorf("%+v", p)
	}
	// A failed package does not end a run that continues.
	s.event(4, wire.TransferringError, of(1), func(e *wire.Event) { e.Data.Status.Final = false })
	if r := s.run(4); !r.Running || r.Packages[0].Open || r.Packages[0].State != wire.TransferringError || len(r.InFlight) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestGap: a run that is not in the snapshot after a gap is lost.
func TestGap(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized).event(2, wire.JobInitialized).event(3, wire.JobInitialized)
	s.changed("runStarted 1 running", "runStarted 2 running", "runStarted 3 running")
	s.seq = 50
	s.event(2, wire.Transferring, snapshot, missed(47))
	s.stands("3 running", "2 running", "1 running") // the snapshot may go on
	s.event(3, wire.Transferring, snapshot)
	s.changed("gap 47")
	s.event(3, wire.Transferring)
	s.stands("3 running", "2 running", "1 lost: gap")
	s.changed("runLost 1 lost: gap")
	if v := s.tr.View(); v.Stream.Missed != 47 || v.Counts.Lost != 1 {
		t.Errorf("%+v", v)
	}
	// Without an event behind it the snapshot is over after a while.
	s.event(3, wire.Transferring, snapshot, missed(5))
	s.at(2.999).stands("3 running", "2 running", "1 lost: gap")
	s.changed("gap 5")
	before := s.tr.Version()
	s.at(3).stands("3 running", "2 lost: gap", "1 lost: gap")
	s.changed("runLost 2 lost: gap") // although View has applied it
	if s.tr.Version() == before {
		t.Error("the loss leaves the version")
	}
	if r := s.run(2); !r.Ended.IsZero() || r.Rate != 0 {
		t.Errorf("an end that was not seen: %+v", r)
	}
	// What is heard of after all is not lost, though nothing of it is new.
	s.seq--
	s.event(2, wire.Transferring, snapshot, func(e *wire.Event) { e.Seq = 51 })
	s.stands("2 running", "3 running", "1 lost: gap")
	s.changed("runFound 2 running")
	s.event(1, wire.JobCompleted)
	s.changed("runEnded 1 Succeeded")
	// The end of the snapshot may be known.
	s.event(3, wire.Transferring, snapshot, missed(1))
	s.got = append(s.got, s.tr.SnapshotDone()...)
	s.changed("gap 1", "runLost 2 lost: gap")
	if again := s.tr.SnapshotDone(); again != nil {
		t.Errorf("%+v", again)
	}
}

// TestGapWithoutEvents: a status alone may report a gap.
func TestGapWithoutEvents(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized).event(2, wire.JobInitialized)
	s.at(1).tr.Disconnected()
	s.at(2)
	s.event(2, wire.Transferring, snapshot) // comes before the status
	s.tr.Connected(s.now, s.e, 3)
	s.at(4.9).stands("2 running", "1 running")
	s.at(5).stands("2 running", "1 lost: gap")
	s.changed("runStarted 1 running", "runStarted 2 running", "runLost 1 lost: gap")
	// The same, though an event announced the gap before.
	s.event(2, wire.Transferring, missed(1))
	s.tr.Connected(s.now, s.e, 1)
	s.changed("gap 1")
	before := s.tr.Version()
	s.at(6).tr.Connected(s.now, s.e, 1)
	if s.tr.Version() == before {
		t.Error("the status leaves the version")
	}
	s.at(9).changed("runLost 2 lost: gap")
}

// TestGapBeforeStatus: a status that comes behind the snapshot does not make runs
// doubtful that were in it, even those of which the snapshot had nothing new.
func TestGapBeforeStatus(t *testing.T) {
	for _, announced := range []bool{true, false} {
		s := newScript(t, Options{})
		s.event(1, wire.JobInitialized)
		s.at(1).tr.Disconnected()
		s.seq--
		s.at(2).event(1, wire.JobInitialized, snapshot, func(e *wire.Event) {
			if announced {
				e.Missed = 3
			}
		})
		at := s.now // of the status
		if announced {
			at = at.Add(time.Millisecond)
		}
		s.tr.Connected(at, s.e, 3)
		s.at(10).stands("1 running")
	}
}

// TestEpoch: the runs of a server that was restarted are lost, whether an event
// or a status reports the restart first.
func TestEpoch(t *testing.T) {
	for _, statusFirst := range []bool{true, false} {
		s := newScript(t, Options{})
		old := s.e
		s.event(1, wire.JobInitialized).event(2, wire.JobInitialized)
		s.changed("runStarted 1 running", "runStarted 2 running")
		resumed := func() { s.got = append(s.got, s.tr.Connected(s.now, id(2000), 0)...) }
		if statusFirst {
			resumed()
			s.stands("2 lost: restart", "1 lost: restart")
			s.changed("serverRestarted", "runLost 1 lost: restart", "runLost 2 lost: restart")
			s.event(1, wire.Transferring) // from the last epoch
			s.event(2, wire.JobCompleted) // from the last epoch, too
			s.stands("2 Succeeded", "1 lost: restart")
			s.changed("runEnded 2 Succeeded")
			s.event(4, wire.JobInitialized) // a run that was not seen before
			s.changed("runStarted 4 running", "runLost 4 lost: restart")
		}
		s.seq, s.e = 0, id(2000)
		s.event(3, wire.JobInitialized)
		if !statusFirst {
			resumed()
			s.stands("3 running", "2 lost: restart", "1 lost: restart")
			s.changed("serverRestarted", "runLost 1 lost: restart", "runLost 2 lost: restart", "runStarted 3 running")
		} else {
			s.stands("3 running", "4 lost: restart", "2 Succeeded", "1 lost: restart")
			s.changed("runStarted 3 running")
			s.event(3, wire.Transferring, missed(2))
			s.changed("gap 2") // what is lost is not lost again
		}
		c := s.tr.View().Stream
		if c.Restarts != 1 || c.Epoch != id(2000) || s.tr.previous != old {
			t.Errorf("%+v", c)
		}
		messages := 0
		for _, e := range s.tr.Log(id(1), 0, 0) {
			if e.Message == "the end of the run was not seen" {
				messages++
			}
		}
		if messages != 1 {
			t.Errorf("job 1 was said to be lost %d times", messages)
		}
	}
}

// TestLog: entries do not displace entries of other severities, and no entry
// comes twice.
func TestLog(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized, logged(wire.SeverityError, "first"))
	s.seq--
	s.event(1, wire.JobInitialized, logged(wire.SeverityError, "first"), snapshot)
	s.event(2, wire.TransferringError, of(7))
	for i := range MaxLog + 5 {
		s.event(1, wire.Transferring, logged(wire.SeverityProcessing, fmt.Sprint("note ", i)))
	}
	s.event(1, wire.Transferring, logged(wire.SeverityWarning, "last"))
	all := s.tr.Log(uuid.Nil, 0, 0)
	if len(all) != MaxLog+3 || all[0].Message != "last" || all[1].Message != fmt.Sprint("note ", MaxLog+4) || all[MaxLog].Message != "note 5" {
		t.Errorf("%d entries: %+v", len(all), all[:2])
	}
	if p := s.tr.View().Problems; len(p) != 3 || p[0].Message != "last" || p[1].Message != "TransferringError" || p[1].Package != 7 || p[2].Message != "first" || p[2].Item != "file" || p[2].Job != "job 1" {
		t.Errorf("%+v", p)
	}
	if got := s.tr.Log(id(2), wire.SeverityError, 10); len(got) != 1 || got[0].JobID != id(2) {
		t.Errorf("%+v", got)
	}
	if got := s.tr.Log(uuid.Nil, 0, 2); len(got) != 2 || got[0].Message != "last" {
		t.Errorf("%+v", got)
	}
	if got := s.run(2).Log; len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestLogSelection: Options.Log selects entries of the log, and does not affect
// the jobs.
func TestLogSelection(t *testing.T) {
	s := newScript(t, Options{Log: wire.Filter{States: []wire.State{wire.Transferring}, Severity: wire.SeverityWarning}})
	s.event(1, wire.JobInitialized, logged(wire.SeverityError, "of another state"))
	s.event(1, wire.Transferring, logged(wire.SeverityProcessing, "too light"), logged(wire.SeverityWarning, "taken"))
	if got := s.tr.Log(uuid.Nil, 0, 0); len(got) != 1 || got[0].Message != "taken" {
		t.Errorf("%+v", got)
	}
	s.stands("1 running")
}

// TestBounds exceeds every bound.
func TestBounds(t *testing.T) {
	s := newScript(t, Options{})
	for i := range MaxJobs + 10 {
		s.event(0, wire.JobInitialized, func(e *wire.Event) { e.JobID, e.RunID = id(10_000+i), id(20_000+i) })
		if i < 5 {
			s.event(0, wire.JobCompleted, func(e *wire.Event) { e.JobID, e.RunID = id(10_000+i), id(20_000+i) })
		}
	}
	v := s.tr.View()
	if len(v.Jobs) != MaxJobs || v.Forgotten != 10 || v.Counts.Succeeded != 0 || len(s.tr.runs) != MaxJobs || len(s.tr.running) != MaxJobs {
		t.Errorf("%d jobs, %d forgotten, %+v, %d runs, %d of them running", len(v.Jobs), v.Forgotten, v.Counts, len(s.tr.runs), len(s.tr.running))
	}
	if last := v.Jobs[MaxJobs-1].ID; last != id(10_010) { // 5 ended jobs were forgotten first, then the oldest
		t.Errorf("the oldest job is %v", last)
	}

	s = newScript(t, Options{})
	for i := range MaxRuns + 3 {
		s.event(1+100*i, wire.JobInitialized)
	}
	if j, _ := s.tr.Job(id(1)); len(j.Runs) != MaxRuns || j.Forgotten != 3 || j.Runs[MaxRuns-1].ID != id(301) || len(s.tr.runs) != MaxRuns || len(s.tr.running) != MaxRuns {
		t.Errorf("%d runs, %d forgotten", len(j.Runs), j.Forgotten)
	}

	for i := range MaxPackages + 7 {
		s.event(1+100*MaxRuns, wire.PackageInitialized, of(i+1))
	}
	r := s.run(1 + 100*MaxRuns)
	if len(r.Packages) != MaxPackages || r.PackagesForgotten != 7 || r.Packages[0].Number != 8 {
		t.Errorf("%d packages, %d forgotten, the first is %d", len(r.Packages), r.PackagesForgotten, r.Packages[0].Number)
	}
	if len(r.InFlight) != MaxInFlight || r.MoreInFlight != MaxPackages-MaxInFlight {
		t.Errorf("%d in flight, and %d more", len(r.InFlight), r.MoreInFlight)
	}
	s.event(1+100*MaxRuns, wire.Transferring, of(1)) // a forgotten one
	if r := s.run(1 + 100*MaxRuns); len(r.Packages) != MaxPackages || r.PackagesForgotten != 8 || r.Packages[MaxPackages-1].Number != 1 {
		t.Errorf("%d packages, %d forgotten", len(r.Packages), r.PackagesForgotten)
	}
	for i := range MaxAllPackages / MaxPackages {
		for n := range MaxPackages {
			s.event(2+i, wire.PackageInitialized, of(n+1))
		}
	}
	if n := s.tr.packages.Len(); n != MaxAllPackages {
		t.Errorf("%d packages in all", n)
	}
	if r := s.run(1 + 100*MaxRuns); len(r.Packages) != 0 || r.PackagesForgotten != MaxPackages+8 {
		t.Errorf("the oldest run has %d packages, %d forgotten", len(r.Packages), r.PackagesForgotten)
	}
	// A run that is forgotten takes its packages along.
	for i := range MaxRuns {
		s.event(2+100*(i+1), wire.JobInitialized)
	}
	if n := s.tr.packages.Len(); n != MaxAllPackages-MaxPackages {
		t.Errorf("%d packages in all", n)
	}
}

// TestForgotten: a run that the tracker has no room for is lost, unless it has
// ended. Ended runs are forgotten first.
func TestForgotten(t *testing.T) {
	s := newScript(t, Options{})
	for i := range MaxRuns {
		s.event(1+100*i, wire.JobInitialized)
	}
	s.event(501, wire.JobCompleted)
	s.got = nil
	s.event(1+100*MaxRuns, wire.JobInitialized) // 501 is forgotten
	s.changed("runStarted 2001 running")
	s.event(101+100*MaxRuns, wire.JobInitialized)
	s.changed("runLost 1 lost: forgotten", "runStarted 2101 running")
	s.event(1, wire.JobCompleted) // as if it were a new run
	s.changed("runLost 101 lost: forgotten", "runStarted 1 running", "runEnded 1 Succeeded")

	s = newScript(t, Options{MaxJobs: 1})
	s.event(1, wire.JobInitialized).event(1, wire.JobInitialized, snapshot, missed(1), func(e *wire.Event) { e.JobID, e.RunID = id(2), id(2) })
	s.event(2, wire.Transferring)
	s.changed("runStarted 1 running", "gap 1", "runLost 1 lost: forgotten", "runStarted 2 running")

	s = newScript(t, Options{MaxJobs: 2})
	s.event(1, wire.JobInitialized).event(2, wire.JobCompleted).event(3, wire.JobInitialized).event(4, wire.JobInitialized)
	s.stands("4 running", "3 running")
	s.changed("runStarted 1 running", "runStarted 2 running", "runEnded 2 Succeeded", "runStarted 3 running", "runLost 1 lost: forgotten", "runStarted 4 running")
}

// TestScan follows a run that works out what there is to do. Its fraction is not 0
// but unknown, until a total is known or the run has succeeded.
func TestScan(t *testing.T) {
	s := newScript(t, Options{})
	scan := func(e *wire.Event) {
		e.Data.Initialize.DryRun = true
		e.Data.Body = &wire.PackageBody{Item: strings.Repeat("x", 2*MaxText)}
		e.Data.Progress = wire.Progress{FilesChecked: 7}
	}
	s.event(1, wire.JobInitialized, scan, logged(wire.SeverityWarning, "odd"))
	if r := s.run(1); r.Known || !r.DryRun || r.Item != strings.Repeat("x", MaxText)+"…" || r.Progress.FilesChecked != 7 || !r.Log[0].DryRun {
		t.Errorf("%+v", r)
	}
	s.event(1, wire.PackageInitialized, of(1))
	if r := s.run(1); !r.Known || r.Item != "" || r.DryRun {
		t.Errorf("%+v", r)
	}
	s.event(2, wire.JobCompleted, func(e *wire.Event) { e.Data.Progress = wire.Progress{} })
	if r := s.run(2); !r.Known || r.Fraction != 1 {
		t.Errorf("%+v", r)
	}
}

// TestHostile: texts of absurd events are cut, and the view can be encoded as
// JSON.
func TestHostile(t *testing.T) {
	long := strings.Repeat("ä", 1<<20)
	s := newScript(t, Options{})
	for _, when := range []time.Time{time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 0, 0, time.FixedZone("", -30*3600)), start.In(time.FixedZone("", 30*3600)), time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(9998, 1, 1, 0, 0, 0, 0, time.UTC)} {
		s.event(1, wire.Transferring, of(-1), logged(9, long), func(e *wire.Event) {
			e.Data.Initialize.Name, e.Data.Initialize.SourcePath, e.Data.Initialize.DestinationPath, e.Data.Initialize.LastExecution = long, long, long, when
			e.Data.Header.TargetFilePath, e.Data.Header.FileSize = long, -1<<62
			e.Data.Body.Item = long
			e.Data.Status.SentTime, e.Data.Status.ReceivedTime, e.Data.Status.Log[0].Time = when, when, when
			e.Data.Progress = wire.Progress{BytesDone: int64(e.Seq%2*2-1) << 62, BytesTotal: -1 << 63, FilesDone: -1}
		})
		s.event(1, 77, done(1<<62))
	}
	s.at(1000)
	v := s.tr.View()
	d := s.run(1)
	j, _ := s.tr.Job(id(1))
	for _, v := range []any{v, d, j} {
		text, err := json.Marshal(v)
		if err != nil || len(text) > 20*MaxText*10 {
			t.Errorf("%d bytes, %v", len(text), err)
		}
	}
	if n := len(v.Jobs[0].Name); n > MaxText+len("…") {
		t.Errorf("a name of %d bytes", n)
	}
	if n := len(d.Throughput.BytesPerSecond); n > MaxSamples {
		t.Errorf("%d samples", n)
	}
	if r := v.Jobs[0].Run; r.LastChange.After(s.now) || r.Fraction < 0 || r.Rate < 0 {
		t.Errorf("%+v", r)
	}
}

var update = flag.Bool("update", false, "write testdata/state.json")

// TestJSON compares the whole state, and the changes that led to it, with
// testdata/state.json, because programs rely on the names and the values.
func TestJSON(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized, func(e *wire.Event) {
		*e.Data.Initialize = wire.InitializeData{
			Name: "site to staging", SourcePath: "/srv/site", DestinationPath: "/mnt/staging", LastExecution: start.Add(-time.Hour),
			ContinueOnError: true, DryRun: true,
		}
		e.Data.Body = &wire.PackageBody{Item: "news"}
		e.Data.Progress = wire.Progress{FilesChecked: 3}
	})
	inPackage := func(number int) func(*wire.Event) {
		return func(e *wire.Event) {
			of(number)(e)
			e.Data.Initialize = nil
			e.Data.Header.TargetFilePath, e.Data.Header.SizeOfSentData, e.Data.Header.SizeOfReceivedData = "spool/1", 300, 200
			e.Data.Body.Pages = 1
			e.Data.Progress.BytesDone = int64(e.Seq) * 100
		}
	}
	s.at(1).event(1, wire.PackageInitialized, inPackage(1))
	s.at(2).event(1, wire.TransferringError, inPackage(1), logged(wire.SeverityError, "no space left"), func(e *wire.Event) { e.Data.Status.Final = false })
	s.at(3).event(1, wire.Transferring, inPackage(2))
	s.event(2, wire.JobInitialized).event(3, wire.JobInitialized)
	s.at(5).event(2, wire.JobCompleted, done(1000), missed(1), func(e *wire.Event) { e.Data.Status.SentTime = start.Add(3 * time.Second) })
	s.event(3, wire.ImportingError, of(9))
	s.got = append(s.got, s.tr.Connected(s.now, id(2000), 0)...)
	s.e, s.seq = id(2000), 0
	s.at(6).event(1, wire.JobInitialized, func(e *wire.Event) { e.RunID, e.Data.Initialize = id(101), nil })
	s.at(7).event(1, wire.Transferring, of(1), done(100), logged(wire.SeverityWarning, "slow"), func(e *wire.Event) {
		e.RunID, e.Data.Initialize = id(101), nil
		e.Data.Status.Log[0].Time = time.Time{}
	})
	v := s.tr.View()
	job, _ := s.tr.Job(id(1))
	run, earlier := s.run(101), s.run(1)
	got, err := json.MarshalIndent(struct {
		View         View
		Job          JobDetail
		Run, Earlier RunDetail
		Changes      []Change
	}{v, job, run, earlier, s.got}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/state.json"
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: got\n%s", err, got)
	}
	if empty, err := json.Marshal(New(Options{Now: func() time.Time { return start }}).View()); err != nil || string(empty) != `{"now":"2026-11-23T12:00:00Z","version":0,`+
		`"stream":{"restarts":0,"events":0,"missed":0},"counts":{"running":0,"succeeded":0,"succeededWithErrors":0,"failed":0,"cancelled":0,"lost":0},`+
		`"jobs":[],"forgotten":0,"problems":[]}` {
		t.Errorf("%s, %v", empty, err)
	}
}

// TestViewIsACopy: later events do not change a view.
func TestViewIsACopy(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.PackageInitialized, of(1), logged(wire.SeverityWarning, "one"))
	before := s.tr.Version()
	v := s.tr.View()
	text, _ := json.Marshal(v)
	s.at(1).event(1, wire.PackageInitialized, of(1), logged(wire.SeverityWarning, "two")).event(2, wire.JobInitialized)
	if again, _ := json.Marshal(v); string(again) != string(text) {
		t.Errorf("%s\nbecame\n%s", text, again)
	}
	if v.Version != before || s.tr.Version() != before+2 {
		t.Errorf("version %d, then %d", before, s.tr.Version())
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	b := New(Options{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 2000 {
			e := wire.Event{Seq: uint64(i + 1), JobID: id(i % 7), RunID: id(i % 7)}
			of(i%9 + 1)(&e)
			e.Data.Status.State = wire.Transferring
			b.Event(&e)
			b.Connected(start, uuid.Nil, 0)
		}
	})
	for range 200 {
		b.View()
		b.Run(id(1))
		b.Job(id(1))
		b.Log(uuid.Nil, 0, 10)
	}
	wg.Wait()
	if n := b.View().Stream.Events; n != 2000 {
		t.Errorf("%d events", n)
	}
}

func BenchmarkEvent(b *testing.B) {
	board := New(Options{})
	e := wire.Event{JobID: id(1), RunID: id(1)}
	of(1)(&e)
	e.Data.Initialize = &wire.InitializeData{Name: "job"}
	e.Data.Status.State = wire.Transferring
	b.ReportAllocs()
	for b.Loop() {
		e.Seq++
		e.Data.Progress.BytesDone += 1000
		e.Data.Status.ReceivedTime = e.Data.Status.ReceivedTime.Add(time.Millisecond)
		board.Event(&e)
	}
}

func BenchmarkView(b *testing.B) {
	board := New(Options{})
	for i := range 50 {
		for n := range 50 {
			e := wire.Event{Seq: uint64(n + 1), JobID: id(i), RunID: id(i)}
			of(n % 10)(&e)
			e.Data.Status.State = wire.Transferring
			board.Event(&e)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		board.View()
	}
}

// TestLogPackage: a warning comes with the next event of its run, which may be of
// any package; only the reason for the end of a package has its number.
func TestLogPackage(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized).event(1, wire.PackageInitialized, of(1)).event(1, wire.PackageInitialized, of(2))
	s.event(1, wire.Transferring, of(1), logged(wire.SeverityWarning, "about package 2"))
	s.event(1, wire.TransferringError, of(1), logged(wire.SeverityWarning, "about package 2 again"), logged(wire.SeverityError, "disk full"))
	got := make(map[string]int)
	for _, entry := range s.tr.Log(uuid.Nil, 0, 0) {
		got[entry.Message] = entry.Package
	}
	if want := map[string]int{"about package 2": 0, "about package 2 again": 0, "disk full": 1}; !maps.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}

// TestSlowSnapshot: as long as events of the snapshot come, the runs that have not
// come yet are not lost.
func TestSlowSnapshot(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized).event(2, wire.JobInitialized).event(3, wire.JobInitialized)
	s.at(10).event(1, wire.Transferring, of(1), missed(5), snapshot)
	for _, second := range []float64{12, 14, 16} {
		s.at(second)
		if lost := s.tr.Tick(); len(lost) > 0 {
			t.Errorf("at %v s: %+v", second, lost)
		}
		s.event(2, wire.Transferring, of(1), snapshot)
	}
	s.at(19)
	if lost := s.tr.Tick(); len(lost) != 1 || lost[0].Kind != RunLost || lost[0].Run.JobID != id(3) {
		t.Errorf("in the end: %+v", lost)
	}
}
