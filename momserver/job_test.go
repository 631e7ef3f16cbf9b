package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// published returns all cached events of the world's server.
func published(s *harness.Server) []wire.Event {
	s.T.Helper()
	events, _, err := s.Client(momclient.Options{}).History(context.Background(), wire.Cursor{}, 0)
	if err != nil {
		s.T.Fatal(err)
	}
	return events
}

// states returns the states of events, and checks that the last and only the
// last event of each run is final.
func states(t *testing.T, events []wire.Event) string {
	t.Helper()
	names := make([]string, len(events))
	final := make(map[uuid.UUID]bool)
	for i, e := range events {
		names[i] = strings.TrimPrefix(e.Data.Status.State.String(), "Mirroring")
		if final[e.RunID] {
			t.Errorf("event %d, %s, follows its run's end", i, names[i])
		}
		if e.EndsRun() {
			final[e.RunID] = true
		}
	}
	return strings.Join(names, " ")
}

// play makes the calls on one run with two packages, A and B. A step that
// begins with "!" must be refused, with wire.BadTransition or wire.RunEnded.
func play(t *testing.T, j *momserver.Job, script string) {
	t.Helper()
	packages := make(map[byte]*momserver.Package)
	for _, s := range strings.Fields(script) {
		call, wanted := strings.CutPrefix(s, "!")
		err := playStep(j, packages, call)
		refused := errors.Is(err, wire.BadTransition) || errors.Is(err, wire.RunEnded)
		if err != nil && !refused || refused != wanted {
			t.Errorf("%s in %q: %v", s, script, err)
		}
	}
}

func playStep(j *momserver.Job, packages map[byte]*momserver.Package, call string) (err error) {
	verb, name, ofPackage := strings.Cut(call, ":")
	if !ofPackage {
		switch verb {
		case "complete":
			return j.Complete()
		case "fail":
			return j.Fail(errors.New("no"))
		case "close":
			return j.Close()
		}
		panic(call)
	}
	p := packages[name[0]]
	switch verb {
	case "start":
		packages[name[0]], err = j.StartPackage(wire.PackageHeader{FileSize: 100}, wire.PackageBody{Files: 2})
	case "half":
		p.Moved(50)
	case "rest":
		p.Sent(50)
		p.Received(50)
	case "transferred":
		err = p.Transferred()
	case "complete":
		err = p.Complete()
	case "fail":
		err = p.Fail(errors.New("no"))
	default:
		panic(call)
	}
	return err
}

// TestJobScripts plays runs and compares what was published.
func TestJobScripts(t *testing.T) {
	for _, test := range []struct {
		name, script, want string
		goesOn             bool
	}{
		{name: "empty", script: "complete !complete !fail close", want: "JobInitialized JobCompleted"},
		{name: "one package", script: "start:A half:A rest:A transferred:A complete:A complete",
			want: "JobInitialized PackageInitialized Transferring Transferred PackageCompleted JobCompleted"},
		{name: "no bytes", script: "start:A transferred:A complete:A complete",
			want: "JobInitialized PackageInitialized Transferred PackageCompleted JobCompleted"},
		{name: "interleaved", script: "start:A transferred:A start:B complete:A transferred:B complete:B complete",
			want: "JobInitialized PackageInitialized Transferred PackageInitialized PackageCompleted Transferred PackageCompleted JobCompleted"},
		{name: "illegal", script: "start:A !complete:A half:A !complete:A !complete transferred:A half:A !transferred:A complete:A !fail:A !transferred:A complete !start:B",
			want: "JobInitialized PackageInitialized Transferring Transferred PackageCompleted JobCompleted"},
		{name: "transfer fails", script: "start:A half:A fail:A !start:B !complete !fail close",
			want: "JobInitialized PackageInitialized Transferring TransferringError"},
		{name: "fails before the transfer", script: "start:A fail:A", want: "JobInitialized PackageInitialized TransferringError"},
		{name: "import fails", script: "start:A transferred:A fail:A !complete",
			want: "JobInitialized PackageInitialized Transferred ImportingError"},
		{name: "export fails", script: "start:A fail half:A !complete:A",
			want: "JobInitialized PackageInitialized ExportingError"},
		{name: "goes on past errors", goesOn: true, script: "start:A fail:A start:B transferred:B fail:B complete",
			want: "JobInitialized PackageInitialized TransferringError PackageInitialized Transferred ImportingError JobCompleted"},
		{name: "an export error ends it always", goesOn: true, script: "start:A transferred:A fail !complete",
			want: "JobInitialized PackageInitialized Transferred ExportingError"},
		{name: "the owner goes", script: "start:A half:A close close half:A !complete",
			want: "JobInitialized PackageInitialized Transferring ExportingError"},
	} {
		t.Run(test.name, func(t *testing.T) {
			harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
				j := s.MustStartJob(s.JobID, wire.InitializeData{Name: "job", ContinueOnError: test.goesOn})
				play(t, j, test.script)
				if got := states(t, published(s)); got != test.want {
					t.Errorf("published\n%s; want\n%s", got, test.want)
				}
				if s.Stats().Runs != 0 {
					t.Errorf("%d runs unfinished", s.Stats().Runs)
				}
			})
		})
	}
}

// TestCompletedWithErrors is visible as such, and never as plain success.
func TestCompletedWithErrors(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j, _ := s.StartJob(s.JobID, wire.InitializeData{ContinueOnError: true, Packages: 2, Bytes: 200})
		play(t, j, "start:A fail:A start:B half:B rest:B transferred:B complete:B complete")
		events := published(s)
		last := events[len(events)-1]
		if last.Outcome() != wire.SucceededWithErrors || last.Severity() != wire.SeverityError {
			t.Errorf("the end: %+v", last.Data)
		}
		if p := last.Data.Progress; p.PackagesFailed != 1 || p.PackagesDone != 1 || p.PackagesTotal != 2 || p.BytesDone != 100 || p.BytesTotal != 200 || p.Fraction() == 1 {
			t.Errorf("progress at the end: %+v", p)
		}
		checkLog(t, last, "Processing : completed with errors: 1 of 2 packages failed, 1 error in all")
	})
}

// TestTotalsAtTheEnd sets the totals of a run that was completed to what was
// done, and warns if other totals were announced at its beginning.
func TestTotalsAtTheEnd(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		for _, expected := range []int{0, 5} {
			var wantLog []string
			warnings := 0
			j := s.MustStartJob(s.JobID, wire.InitializeData{Packages: expected, FilesInPackages: 10 * expected, Bytes: int64(1000 * expected)})
			if got, want := j.Progress(), (wire.Progress{PackagesTotal: expected, FilesTotal: 10 * expected, BytesTotal: int64(1000 * expected)}); got != want {
				t.Errorf("at the beginning: %+v; want %+v", got, want)
			}
			play(t, j, "start:A half:A rest:A transferred:A complete:A start:B half:B rest:B transferred:B complete:B complete")
			if expected > 0 {
				wantLog = []string{"Warning : moved 2 of 5 packages, 4 of 50 files, 200 of 5000 bytes that were announced"}
				warnings = 1
			}
			want := wire.Progress{PackagesDone: 2, PackagesTotal: 2, FilesDone: 4, FilesTotal: 4, BytesDone: 200, BytesTotal: 200, Warnings: warnings}
			events := published(s)
			last := events[len(events)-1]
			if got := last.Data.Progress; got != want || got != j.Progress() {
				t.Errorf("%d packages were expected: %+v; want %+v", expected, got, want)
			}
			checkLog(t, last, wantLog...)
		}
	})
}

// TestLeftPackages names each open package of a run that its owner left, the
// item that it was at, and the state that it was in.
func TestLeftPackages(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		play(t, j, "start:A half:A rest:A transferred:A complete:A")
		for range 2 {
			p, err := j.StartPackage(wire.PackageHeader{FileSize: 100}, wire.PackageBody{})
			if err != nil {
				t.Fatal(err)
			}
			p.Item("file.txt")
		}
		j.Close()
		events := published(s)
		last := events[len(events)-1]
		checkLog(t, last,
			"Error file.txt: package 2 was left MirroringPackageInitialized",
			"Error file.txt: package 3 was left MirroringPackageInitialized",
			"Error : the owner left the run without ending it")
		if n := last.Data.Progress.Errors; n != 3 {
			t.Errorf("%d errors", n)
		}
	})
}

// TestAfterTheEnd refuses changes, and says how the run has ended.
func TestAfterTheEnd(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		for script, how := range map[string]string{
			"complete": "it was completed",
			"start:A transferred:A complete:A complete": "it was completed",
			"fail":           "no",
			"start:A fail:A": "no",
			"close":          "momserver: the owner left the run without ending it",
		} {
			j := s.MustStartJob(s.JobID, wire.InitializeData{Name: "job"})
			var p *momserver.Package
			var err error
			if how != "it was completed" {
				if p, err = j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); err != nil {
					t.Fatal(err)
				}
			}
			play(t, j, script)
			_, err = j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
			refused := map[wire.State]error{wire.JobCompleted: j.Complete(), wire.ExportingError: j.Fail(nil), wire.PackageInitialized: err}
			if p != nil {
				refused[wire.Transferred] = p.Transferred()
				refused[wire.PackageCompleted], refused[wire.TransferringError] = p.Complete(), p.Fail(nil)
			}
			for state, err := range refused {
				want := fmt.Sprintf("momserver: cannot publish %v for job \"job\", because the run has ended: %s", state, how)
				if !errors.Is(err, wire.RunEnded) || err.Error() != want {
					t.Errorf("after %q: %v; want %s", script, err, want)
				}
			}
		}
	})
}

// TestDescriptionBound takes a run that is described in half of MaxEventBytes,
// and none of a byte more, whichever text it is in.
func TestDescriptionBound(t *testing.T) {
	srv := momserver.New(momserver.Config{MaxEventBytes: 2000})
	defer srv.Close()
	for name, text := range map[string]func(*wire.InitializeData) *string{
		"Name":            func(d *wire.InitializeData) *string { return &d.Name },
		"SourcePath":      func(d *wire.InitializeData) *string { return &d.SourcePath },
		"DestinationPath": func(d *wire.InitializeData) *string { return &d.DestinationPath },
		"DestinationRoot": func(d *wire.InitializeData) *string { return &d.DestinationRoot },
	} {
		init := wire.InitializeData{Name: "n", SourcePath: "s", DestinationPath: "d", DestinationRoot: "r"}
		*text(&init) = strings.Repeat("x", 1000-3)
		j, err := srv.StartJob(uuid.New(), init)
		if err != nil {
			t.Fatalf("1,000 bytes, most in %s: %v", name, err)
		}
		j.Close()
		*text(&init) += "x"
		if _, err := srv.StartJob(uuid.New(), init); !errors.Is(err, wire.TooLarge) {
			t.Errorf("1,001 bytes, most in %s: %v", name, err)
		}
	}
}

// TestProgressInterval publishes Transferring at most every interval, exactly.
func TestProgressInterval(t *testing.T) {
	harness.Serve(t, momserver.Config{ProgressInterval: time.Second}, func(s *harness.Server) {
		j, _ := s.StartJob(s.JobID, wire.InitializeData{Bytes: 1000})
		p, _ := j.StartPackage(wire.PackageHeader{FileSize: 1000}, wire.PackageBody{})
		transferring := func() (n int, bytes int64) {
			for _, e := range published(s) {
				if e.Data.Status.State == wire.Transferring {
					n, bytes = n+1, e.Data.Header.SizeOfReceivedData
				}
			}
			return n, bytes
		}
		expect := func(n int, bytes int64) {
			t.Helper()
			if gotN, got := transferring(); gotN != n || got != bytes {
				t.Fatalf("%d Transferring events, the last with %d bytes; want %d, %d", gotN, got, n, bytes)
			}
		}
		p.Received(100)
		expect(1, 100)
		time.Sleep(time.Second - time.Nanosecond)
		p.Received(100)
		expect(1, 100)
		time.Sleep(time.Nanosecond)
		p.Received(100)
		expect(2, 300)
		p.Received(700)
		p.Sent(1000)
		expect(2, 300)
		p.Transferred()
		expect(2, 300) // the Transferred event has all bytes
		p.Complete()
		j.Complete()
		if last := published(s); last[len(last)-1].Data.Progress.Fraction() != 1 {
			t.Errorf("ends at %+v", last[len(last)-1].Data.Progress)
		}
	})
}

// TestPublishRefuses what is no event, and loses nothing by it.
func TestPublishRefuses(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxEventBytes: 1000, MaxRuns: 2}, func(s *harness.Server) {
		ok := harness.Event(s.JobID, s.RunID, "", wire.JobInitialized)
		with := func(change func(*wire.Event)) wire.Event { e := ok; change(&e); return e }
		for _, test := range []struct {
			name string
			ev   wire.Event
			want error
		}{
			{"fine", ok, nil},
			{"no job", with(func(e *wire.Event) { e.JobID = uuid.Nil }), wire.BadRequest},
			{"no run", with(func(e *wire.Event) { e.RunID = uuid.Nil }), wire.BadRequest},
			{"no state", with(func(e *wire.Event) { e.Data.Status.State = 0 }), wire.BadRequest},
			{"unknown state", with(func(e *wire.Event) { e.Data.Status.State = 10 }), wire.BadRequest},
			{"too large", with(func(e *wire.Event) { e.Data.Body = &wire.PackageBody{Item: strings.Repeat("x", 1000)} }), wire.TooLarge},
			{"a second run", with(func(e *wire.Event) { e.RunID = uuid.New() }), nil},
			{"a third run", with(func(e *wire.Event) { e.RunID = uuid.New() }), wire.Full},
			{"the first again", ok, nil},
			{"its end", with(func(e *wire.Event) { e.Data.Status.State = wire.JobCompleted }), nil},
			{"room for a third", with(func(e *wire.Event) { e.RunID = uuid.New() }), nil},
		} {
			if err := s.Publish(test.ev); !errors.Is(err, test.want) {
				t.Errorf("%s: %v; want %v", test.name, err, test.want)
			}
		}
		stream := invariant.NewStream(s.Ledger, wire.Filter{}, invariant.Fails(t))
		for _, e := range published(s) {
			stream.Event(e)
		}
		if sum := stream.Told(); sum.Fresh != 5 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestLongDescription refuses a run whose end might not fit an event; one that
// is accepted can be ended, in every way.
func TestLongDescription(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxEventBytes: 8 << 10}, func(s *harness.Server) {
		for _, size := range []int{4 << 10, 4<<10 + 1, 8 << 10} {
			j, err := s.StartJob(s.JobID, wire.InitializeData{Name: strings.Repeat("n", size)})
			if accepted := size <= 4<<10; (err == nil) != accepted || err != nil && !errors.Is(err, wire.TooLarge) {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if err == nil {
				for range 50 {
					j.Warn(strings.Repeat("i", 300), strings.Repeat("m", 300))
				}
				if err := j.Complete(); err != nil {
					t.Errorf("%d bytes: the end: %v", size, err)
				}
			}
		}
	})
}

// TestAbsurdCounts refuses numbers that count nothing, and publishes nothing.
func TestAbsurdCounts(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		for _, init := range []wire.InitializeData{{Packages: -1}, {Bytes: -1}, {FilesInPackages: -1}, {PagesInPackages: -1}} {
			if _, err := s.StartJob(s.JobID, init); !errors.Is(err, wire.BadRequest) {
				t.Errorf("%+v: %v", init, err)
			}
		}
		j, _ := s.StartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
		for _, h := range []wire.PackageHeader{{Number: -1}, {FileSize: -1}} {
			if _, err := j.StartPackage(h, wire.PackageBody{}); !errors.Is(err, wire.BadRequest) {
				t.Errorf("%+v: %v", h, err)
			}
		}
		if _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{Files: -1}); !errors.Is(err, wire.BadRequest) {
			t.Error(err)
		}
		p, err := j.StartPackage(wire.PackageHeader{FileSize: 10}, wire.PackageBody{})
		if err != nil {
			t.Fatal(err)
		}
		p.Sent(math.MaxInt64 - 1)
		for _, n := range []int64{-1, 2, math.MaxInt64} {
			p.Sent(n)
		}
		if sent, misuse := p.Header().SizeOfSentData, s.Stats().Misuse; sent != math.MaxInt64-1 || misuse != 3 {
			t.Errorf("%d bytes sent, %d misuses", sent, misuse)
		}
		if err := p.Fail(nil); err != nil {
			t.Error(err)
		}
		if err := j.Fail(nil); err != nil {
			t.Error(err)
		}
		if got := states(t, published(s)); got != "JobInitialized PackageInitialized Transferring TransferringError ExportingError" {
			t.Error(got)
		}
		if err := s.Run(context.Background(), s.JobID, wire.InitializeData{}, func(_ context.Context, j *momserver.Job) error { return j.Fail(nil) }); err == nil {
			t.Error("a run that failed without a reason is none that failed")
		}
	})
}
