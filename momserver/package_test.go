package momserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// cached returns the events in the cache.
func cached(t *testing.T, srv *Server) (events []wire.Event) {
	t.Helper()
	var page protocol.Page
	if err := testService(t, srv).History(&protocol.HistoryArgs{}, &page); err != nil {
		t.Fatal(err)
	}
	if err := protocol.NewEventDecoder(page.Types).Decode(page.Events, int(page.Count), func(e *wire.Event) { events = append(events, *e) }); err != nil {
		t.Fatal(err)
	}
	return events
}

// refuse has the server refuse every event while f runs.
func refuse(srv *Server, f func()) {
	hist := srv.hist
	defer func() { srv.hist = hist }()
	srv.hist = history.New(srv.cfg.history())
	srv.hist.Close()
	f()
}

// picture is all that a refused event must leave as it was.
type picture struct {
	progress, soFar  wire.Progress
	log              []wire.LogEntry
	dropped, numbers int
	open             map[*Package]Package
	ended            bool
	failure          error
}

func pictureOf(j *Job) picture {
	pic := picture{
		progress: j.progress, soFar: j.Progress(), log: slices.Clone(j.log), dropped: j.logDropped, numbers: j.started,
		open: make(map[*Package]Package), ended: j.ended, failure: j.failure,
	}
	for p := range j.open {
		pic.open[p] = *p
	}
	return pic
}

// TestRefusedChange: if an event is refused, everything stays as it was, for
// every kind of change, even if the log is full.
func TestRefusedChange(t *testing.T) {
	why := errors.New("no")
	for name, change := range map[string]func(*Job, *Package) func() error{
		"Job.Complete": func(j *Job, p *Package) func() error { delete(j.open, p); return j.Complete },
		"Job.Fail":     func(j *Job, _ *Package) func() error { return func() error { return j.FailItem("item", why) } },
		"Job.StartPackage": func(j *Job, _ *Package) func() error {
			return func() error { _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); return err }
		},
		"Job.Cancel":                            func(j *Job, _ *Package) func() error { return func() error { return j.Cancel(why) } },
		"Job.Complete past what was broken off": func(j *Job, p *Package) func() error { p.Fail(context.Canceled); return j.Complete },
		"Job.StartPackage past what was broken off": func(j *Job, p *Package) func() error {
			p.Fail(context.Canceled)
			return func() error { _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); return err }
		},
		"Package.Fail":        func(_ *Job, p *Package) func() error { return func() error { return p.FailItem("item", why) } },
		"Package.Transferred": func(_ *Job, p *Package) func() error { return p.Transferred },
		"Package.Complete":    func(_ *Job, p *Package) func() error { p.state = wire.Transferred; return p.Complete },
	} {
		srv := New(Config{})
		j, err := srv.StartJob(uuid.New(), wire.InitializeData{ContinueOnError: true, Packages: 5, Bytes: 500})
		if err != nil {
			t.Fatal(err)
		}
		p, err := j.StartPackage(wire.PackageHeader{FileSize: 100}, wire.PackageBody{Files: 3})
		if err != nil {
			t.Fatal(err)
		}
		p.Received(50)
		for range maxLog + 3 {
			j.Warn("item", "a warning")
		}
		refuse(srv, func() {
			change := change(j, p)
			before := pictureOf(j)
			if err := change(); !errors.Is(err, wire.Closed) {
				t.Errorf("%s: %v", name, err)
			}
			if after := pictureOf(j); !reflect.DeepEqual(after, before) || after.progress.Errors > 0 || after.dropped != 3 || after.log[maxLog-1].Message != "a warning" {
				t.Errorf("%s was refused, and the run has changed from\n%+v to\n%+v", name, before, after)
			}
		})
	}
}

// TestRefusedEnd: a run that its owner left ends even if its last event is
// refused, and its progress stays as in the last event that was published.
func TestRefusedEnd(t *testing.T) {
	srv := New(Config{})
	j, err := srv.StartJob(uuid.New(), wire.InitializeData{})
	if err != nil {
		t.Fatal(err)
	}
	refuse(srv, func() { j.Close() })
	if !j.Ended() || j.Failure() == nil || j.Progress().Errors != 0 {
		t.Errorf("ended %v, failure %v, %+v", j.Ended(), j.Failure(), j.Progress())
	}
}

// TestRefusedStart: if the start of a package is refused, no open package is
// left, and the run can be completed.
func TestRefusedStart(t *testing.T) {
	srv := New(Config{MaxEventBytes: 2000})
	j, err := srv.StartJob(uuid.New(), wire.InitializeData{})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 2000)
	for _, start := range []func() (*Package, error){
		func() (*Package, error) { return j.StartPackage(wire.PackageHeader{}, wire.PackageBody{Item: long}) },
		func() (*Package, error) {
			return j.StartPackage(wire.PackageHeader{TargetFilePath: long}, wire.PackageBody{})
		},
	} {
		if p, err := start(); !errors.Is(err, wire.TooLarge) || p != nil {
			t.Errorf("%v, %v", p, err)
		}
	}
	if err := j.Complete(); err != nil || j.Progress().PackagesTotal != 0 {
		t.Errorf("%v, %+v", err, j.Progress())
	}
}

// TestOpenBytes compares the progress of random runs with the sum over their
// packages, after each change, whether it is refused or not.
func TestOpenBytes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	srv := New(Config{MaxEventBytes: 2000, ProgressInterval: 1})
	ends := 0
	for range 200 {
		j, err := srv.StartJob(uuid.New(), wire.InitializeData{ContinueOnError: r.IntN(3) > 0})
		if err != nil {
			t.Fatal(err)
		}
		var packages []*Package
		var done int64 // bytes of completed packages
		for range 60 {
			step := func() {
				switch op := r.IntN(12); {
				case op < 3 || len(packages) == 0:
					body := wire.PackageBody{Item: strings.Repeat("x", 2000*r.IntN(2))}
					if p, err := j.StartPackage(wire.PackageHeader{FileSize: 100, SizeOfReceivedData: r.Int64N(10)}, body); err == nil {
						packages = append(packages, p)
					}
				case op < 11:
					p := packages[r.IntN(len(packages))]
					switch op {
					case 3, 4, 5:
						p.Received(r.Int64N(50) - 5)
					case 6:
						p.Sent(r.Int64N(50))
					case 7, 8:
						p.Transferred()
					case 9:
						if p.Complete() == nil {
							done += p.header.SizeOfReceivedData
						}
					case 10:
						p.Fail(nil)
					}
				case r.IntN(4) > 0:
					j.Complete()
				case r.IntN(2) > 0:
					j.Fail(nil)
				default:
					j.Close()
				}
			}
			if r.IntN(4) == 0 {
				refuse(srv, step)
			} else {
				step()
			}
			sum := done
			for _, p := range packages {
				if _, open := j.open[p]; open {
					sum += p.header.SizeOfReceivedData
				}
			}
			if j.Ended() {
				ends++
				last := slices.MaxFunc(srv.Jobs(), func(a, b wire.Event) int { return cmp.Compare(a.Seq, b.Seq) })
				if last.RunID != j.RunID() || !last.EndsRun() { // the end was refused, too
					continue
				}
				sum = last.Data.Progress.BytesDone
			}
			if got := j.Progress().BytesDone; got != sum {
				t.Fatalf("%d bytes done; want %d", got, sum)
			}
		}
		j.Close()
	}
	if ends == 0 {
		t.Error("no run ended in between")
	}
	if len(srv.jobs) != 0 {
		t.Errorf("%d runs are kept", len(srv.jobs))
	}
}

// TestUncountable refuses bytes that a run cannot count, over all its packages.
func TestUncountable(t *testing.T) {
	j, err := New(Config{}).StartJob(uuid.New(), wire.InitializeData{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := j.StartPackage(wire.PackageHeader{SizeOfReceivedData: 1 << 62}, wire.PackageBody{})
	b, _ := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
	b.Received(1 << 62)
	b.Sent(-1)
	b.Received(-1)
	if n := j.srv.Stats().Misuse; n != 3 {
		t.Errorf("%d misuses", n)
	}
	for _, err := range []error{
		func() error {
			_, err := j.StartPackage(wire.PackageHeader{SizeOfReceivedData: 1 << 62}, wire.PackageBody{})
			return err
		}(),
		func() error {
			_, err := j.StartPackage(wire.PackageHeader{SizeOfReceivedData: -1}, wire.PackageBody{})
			return err
		}(),
		func() error {
			_, err := j.StartPackage(wire.PackageHeader{SizeOfSentData: -1}, wire.PackageBody{})
			return err
		}(),
	} {
		if !errors.Is(err, wire.BadRequest) {
			t.Error(err)
		}
	}
	b.Received(1<<62 - 1)
	a.Received(1)
	b.Sent(math.MaxInt64)
	b.Sent(1)
	if n := j.srv.Stats().Misuse; n != 5 || j.Progress().BytesDone != 1<<63-1 || b.Header().SizeOfSentData != math.MaxInt64 {
		t.Errorf("%d misuses, %+v, %+v", n, j.Progress(), b.Header())
	}
	if _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); err != nil {
		t.Errorf("a package without bytes: %v", err)
	}
}

// TestMostFiles counts as many files as there are numbers.
func TestMostFiles(t *testing.T) {
	j, err := New(Config{}).StartJob(uuid.New(), wire.InitializeData{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, math.MaxInt, math.MaxInt} {
		p, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{Files: want})
		if err != nil {
			t.Fatal(err)
		}
		if err := cmp.Or(p.Transferred(), p.Complete()); err != nil || j.Progress().FilesDone != want {
			t.Errorf("package %d: %v, %+v", i+1, err, j.Progress())
		}
	}
}

// TestTransitions says which package of which job cannot become what.
func TestTransitions(t *testing.T) {
	j, err := New(Config{}).StartJob(uuid.New(), wire.InitializeData{Name: "job"})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := j.StartPackage(wire.PackageHeader{Number: 7}, wire.PackageBody{})
	check := func(err error, is, next wire.State) {
		t.Helper()
		want := fmt.Sprintf("momserver: package 7 of job \"job\" is %v and cannot become %v", is, next)
		if !errors.Is(err, wire.BadTransition) || err.Error() != want {
			t.Errorf("%v; want %s", err, want)
		}
	}
	check(p.Complete(), wire.PackageInitialized, wire.PackageCompleted)
	p.Transferred()
	check(p.Transferred(), wire.Transferred, wire.Transferred)
	p.Complete()
	check(p.Fail(nil), wire.PackageCompleted, wire.TransferringError)
}

// TestRefusedTransferring keeps the bytes that have moved, tries again no sooner than
// ProgressInterval allows, and publishes the bytes then.
func TestRefusedTransferring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{})
		defer srv.Close()
		j, err := srv.StartJob(uuid.New(), wire.InitializeData{})
		if err != nil {
			t.Fatal(err)
		}
		p, _ := j.StartPackage(wire.PackageHeader{FileSize: 100}, wire.PackageBody{})
		refuse(srv, func() {
			for range 50 {
				p.Sent(1)
			}
			if p.state != wire.PackageInitialized || p.header.SizeOfSentData != 50 || srv.Stats().Refused != 1 {
				t.Errorf("%+v, %d refused", p, srv.Stats().Refused)
			}
		})
		time.Sleep(srv.cfg.ProgressInterval)
		p.Received(1)
		if last := cached(t, srv)[2]; last.Data.Status.State != wire.Transferring || last.Data.Header.SizeOfSentData != 50 {
			t.Errorf("%+v", last.Data)
		}
	})
}

// TestPackageNumbers counts the packages of a run from 1, leaves a number that
// its owner has chosen, and refuses one that is negative, as any other count.
func TestPackageNumbers(t *testing.T) {
	j, err := New(Config{}).StartJob(uuid.New(), wire.InitializeData{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ number, want int }{{0, 1}, {0, 2}, {7, 7}, {1, 1}, {0, 5}} {
		p, err := j.StartPackage(wire.PackageHeader{Number: tc.number}, wire.PackageBody{})
		if err != nil || p.Header().Number != tc.want {
			t.Fatalf("number %d: %+v, %v; want %d", tc.number, p.Header(), err, tc.want)
		}
	}
	for _, negative := range []struct {
		header wire.PackageHeader
		body   wire.PackageBody
	}{
		{header: wire.PackageHeader{Number: -1}}, {header: wire.PackageHeader{FileSize: -1}},
		{body: wire.PackageBody{Files: -1}}, {body: wire.PackageBody{Pages: -1}},
	} {
		if _, err := j.StartPackage(negative.header, negative.body); !errors.Is(err, wire.BadRequest) {
			t.Errorf("%+v: %v", negative, err)
		}
	}
	if j.started != 5 {
		t.Errorf("%d packages are counted", j.started)
	}
}

// TestRefusedRun keeps nothing of runs that were refused.
func TestRefusedRun(t *testing.T) {
	srv := New(Config{MaxRuns: 1, MaxEventBytes: 1000})
	if _, err := srv.StartJob(uuid.New(), wire.InitializeData{}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := srv.StartJob(uuid.New(), wire.InitializeData{}); !errors.Is(err, wire.Full) {
			t.Fatal(err)
		}
		ev := wire.Event{JobID: uuid.New(), RunID: uuid.New()}
		ev.Data.Status.State = wire.JobCompleted
		ev.Data.Body = &wire.PackageBody{Item: strings.Repeat("x", 1000)}
		if err := srv.Publish(ev); !errors.Is(err, wire.TooLarge) {
			t.Fatal(err)
		}
	}
	if n := srv.Stats().Runs; len(srv.jobs) != 1 || n != 1 || len(srv.Jobs()) != 1 {
		t.Errorf("%d jobs, %d runs, %d latest events are kept", len(srv.jobs), n, len(srv.Jobs()))
	}
}

// TestTotals: the totals grow with the packages that are started, and stay
// unknown if the run began without totals.
func TestTotals(t *testing.T) {
	srv := New(Config{})
	for _, known := range []int{0, 2} {
		j, err := srv.StartJob(uuid.New(), wire.InitializeData{Packages: known, Bytes: int64(known)})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if _, err := j.StartPackage(wire.PackageHeader{SizeOfReceivedData: 1}, wire.PackageBody{}); err != nil {
				t.Fatal(err)
			}
			want := 0
			if known > 0 {
				want = max(known, i+1)
			}
			if p := j.Progress(); p.PackagesTotal != want || p.BytesTotal != int64(want) || p.BytesDone != int64(i+1) {
				t.Errorf("%d known at the start, %d started: %+v", known, i+1, p)
			}
		}
	}
}

// TestTimes: a change lasts from the change before it, or for the end of a run
// from the run's beginning, until the change is published.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{})
		defer srv.Close()
		j, err := srv.StartJob(uuid.New(), wire.InitializeData{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		pass := func() { time.Sleep(time.Minute) }
		pass()
		p, _ := j.StartPackage(wire.PackageHeader{FileSize: 10}, wire.PackageBody{})
		pass()
		p.Sent(10)
		pass()
		p.Received(10)
		pass()
		p.Transferred()
		pass()
		p.Complete()
		pass()
		j.Complete()
		want := [][2]int{{0, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {4, 5}, {0, 6}} // in minutes
		for i, e := range cached(t, srv) {
			s := &e.Data.Status
			if got := [2]int{int(s.SentTime.Sub(start).Minutes()), int(s.ReceivedTime.Sub(start).Minutes())}; got != want[i] || s.ReceivedTime.Location() != time.UTC {
				t.Errorf("%v: from minute %d to %d; want %v", s.State, got[0], got[1], want[i])
			}
		}
	})
}

// TestStartWhileDraining refuses a run that would begin during Shutdown.
func TestStartWhileDraining(t *testing.T) {
	srv := New(Config{})
	srv.phase = shuttingDown
	if j, err := srv.StartJob(uuid.New(), wire.InitializeData{}); !errors.Is(err, wire.Closed) || j != nil || srv.hist.Head() != 0 {
		t.Errorf("%v, after %d events", err, srv.hist.Head())
	}
}
