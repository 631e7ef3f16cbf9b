package recorder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/sink"
	"mom.internal/momclient"
	"mom.internal/wire"
)

func id(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

// same is an alias function for servers that always had the same names.
func same(server string) string { return server }

// life is one monitor, from its start until it is killed, in a bubble. Its files are
// in a directory, from which the next life goes on.
type life struct {
	t    *testing.T
	dir  string
	box  *outbox.Box
	runs *runlog.Log
	r    *Server
	n    *notify.Notifier

	mu     sync.Mutex  // guards the fields below
	cursor wire.Cursor // after the last event that was shown
	saved  wire.Cursor // the last one
	said   []string
	got    []string // messages, as ID TEXT
}

// newLife makes a monitor of the server S, calls before, and starts to record.
func newLife(t *testing.T, dir string, rules alert.Rules, before ...func(*life)) *life {
	t.Helper()
	l := &life{t: t, dir: dir}
	s := &sink.Sink{Key: "a", Label: "A", Takes: func(a *alert.Alert) bool { return rules.Kinds[a.Kind] }, Deliver: func(_ context.Context, a *alert.Alert) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, a.ID.String()+" "+a.Text)
		return nil
	}}
	var err error
	if l.runs, err = runlog.Open(filepath.Join(dir, "history"), same); err != nil {
		t.Fatal(err)
	}
	if l.box, err = outbox.Open(filepath.Join(dir, "cursor.state"), same, notify.Receivers([]*sink.Sink{s})); err != nil {
		t.Fatal(err)
	}
	say := func(text string) { l.mu.Lock(); l.said = append(l.said, text); l.mu.Unlock() }
	l.n = notify.New(l.box, []*sink.Sink{s}, say)
	subjects, _ := l.box.State()
	d := alert.New(rules, subjects)
	d.Watch("S", l.box.Learned("S"), time.Now())
	l.r = New(Options{Jobs: &wire.Filter{}, Runs: l.runs, Box: l.box, Decider: d, Notifier: l.n, Say: say}).Add("S", l.where, func(c wire.Cursor) error {
		if !c.IsZero() {
			l.mu.Lock()
			l.saved = c
			l.mu.Unlock()
		}
		return nil
	})
	for _, f := range before {
		f(l)
	}
	l.n.Start()
	l.r.Start()
	return l
}

func (l *life) where() wire.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursor
}

// at moves the cursor after the last event that was shown.
func (l *life) at(c wire.Cursor) {
	l.mu.Lock()
	l.cursor = c
	l.mu.Unlock()
}

// saves checks the Seq of the last cursor that was saved.
func (l *life) saves(want uint64) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.saved.Seq != want {
		l.t.Errorf("saved %v, want %d", l.saved, want)
	}
}

// kill ends the monitor without bringing anything to the disk, as far as a test in
// one process can.
func (l *life) kill() {
	close(l.r.done)
	l.r.wg.Wait()
	l.n.Stop(0)
	l.runs.Close()
	l.box.Close()
}

// connect adds that the server has accepted the monitor.
func (l *life) connect(epoch string) {
	l.at(wire.Cursor{Epoch: id(epoch), Seq: l.where().Seq})
	l.r.Status(momclient.ConnectionStatus{Kind: momclient.Connected, Time: time.Now(), Epoch: id(epoch)})
	time.Sleep(6 * time.Second)
	synctest.Wait()
}

// event returns an event of the run RUN of the job JOB, for "JOB/RUN".
func event(epoch string, seq uint64, run string, state wire.State, outcome wire.Outcome) wire.Event {
	job, _, _ := strings.Cut(run, "/")
	e := wire.Event{Epoch: id(epoch), Seq: seq, JobID: id(job), RunID: id(run)}
	e.Data.Initialize = &wire.InitializeData{Name: job}
	e.Data.Status = wire.Status{State: state, Outcome: outcome, Final: outcome != 0, SentTime: time.Now(), ReceivedTime: time.Now()}
	return e
}

func (l *life) show(e wire.Event) {
	l.t.Helper()
	l.r.Event(&e)
	if err := l.r.Shown(&e); err != nil {
		l.t.Error(err)
	}
	l.at(e.Cursor())
	synctest.Wait()
}

// gets checks the texts of the messages since the last call, and returns their IDs.
func (l *life) gets(want ...string) (ids []string) {
	l.t.Helper()
	time.Sleep(2 * time.Second)
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var texts []string
	for _, m := range l.got {
		id, text, _ := strings.Cut(m, " ")
		ids, texts = append(ids, id), append(texts, text)
	}
	if !slices.Equal(texts, want) {
		l.t.Errorf("it gets %q, want %q", texts, want)
	}
	l.got = nil
	return ids
}

func (l *life) history() (lines []string) {
	l.t.Helper()
	if err := runlog.Read(filepath.Join(l.dir, "history"), same, func(r *runlog.Run) {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %v %s %s", r.Job, r.Outcome, r.Lost, r.Why())))
	}, func(g *runlog.Gap) {
		lines = append(lines, fmt.Sprintf("missed %d of %s", g.Missed, g.Server))
	}); err != nil {
		l.t.Fatal(err)
	}
	return lines
}

var rules = alert.Rules{Kinds: map[alert.Kind]bool{alert.Failed: true, alert.Recovered: true, alert.Lost: true}}

// TestRestart goes on after a kill: a run that was unfinished ends with its first
// error of before; a run of a server that was restarted meanwhile is lost; events
// that come again change nothing.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := newLife(t, dir, rules)
		l.connect("one")
		begin := time.Now()
		l.show(event("one", 1, "site/1", wire.JobInitialized, 0))
		broken := event("one", 2, "site/1", wire.ImportingError, 0)
		broken.Data.Header = &wire.PackageHeader{Number: 7}
		broken.Data.Status.Log = []wire.LogEntry{{Severity: wire.SeverityError, Item: "a", Message: "no space left on device"}}
		l.show(broken)
		l.show(event("one", 3, "docs/1", wire.JobInitialized, 0))
		l.gets()
		l.kill()

		l = newLife(t, dir, rules)
		l.connect("one")
		l.show(event("one", 2, "site/1", wire.ImportingError, 0)) // again
		l.show(event("one", 3, "docs/1", wire.JobInitialized, 0)) // again
		end := event("one", 4, "site/1", wire.JobCompleted, wire.SucceededWithErrors)
		end.Data.Status.SentTime = begin
		ended := time.Now()
		l.show(end)
		l.gets("site succeeded with errors: a: no space left on device (S)")
		l.kill()

		l = newLife(t, dir, rules)
		l.connect("one")
		l.show(end) // again
		l.connect("two")
		l.gets("docs: the end of a run was not seen: the server was restarted (S)")
		l.show(event("two", 1, "docs/2", wire.JobInitialized, 0))
		l.show(event("two", 2, "docs/2", wire.JobCompleted, wire.Succeeded))
		l.gets("docs succeeded again, after 1 run without success since " + begin.UTC().Format("2006-01-02 15:04 MST") + " (S)")
		l.show(event("two", 3, "site/2", wire.JobInitialized, 0))
		l.show(event("two", 4, "site/2", wire.JobCompleted, wire.Succeeded))
		l.gets("site succeeded again, after 1 run without success since " + ended.UTC().Format("2006-01-02 15:04 MST") + " (S)")
		if err := l.r.Stop(); err != nil {
			t.Error(err)
		}
		if got, want := l.history(), []string{"site SucceededWithErrors  a: no space left on device", "docs  restart the server was restarted", "docs Succeeded", "site Succeeded"}; !slices.Equal(got, want) {
			t.Errorf("history %q, want %q", got, want)
		}
		l.n.Stop(0)
		l.runs.Close()
		l.box.Close()
	})
}

// TestKilledBetween has each run and each message once if the monitor is killed
// after the history, and before the outbox, has the end of a run.
func TestKilledBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := newLife(t, dir, rules)
		l.connect("one")
		l.show(event("one", 1, "site/1", wire.JobInitialized, 0))
		end := event("one", 2, "site/1", wire.ExportingError, wire.Failed)
		before, err := os.ReadFile(filepath.Join(dir, "cursor.state"))
		if err != nil {
			t.Fatal(err)
		}
		l.show(end)
		first := l.gets("site failed: ExportingError (S)")
		l.kill()
		if err := os.WriteFile(filepath.Join(dir, "cursor.state"), before, 0o600); err != nil {
			t.Fatal(err)
		}
		l = newLife(t, dir, rules)
		l.connect("one")
		l.show(end)
		if again := l.gets("site failed: ExportingError (S)"); again[0] != first[0] {
			t.Errorf("the IDs are %s and %s", first, again)
		}
		if got := l.history(); len(got) != 1 {
			t.Errorf("history %q", got)
		}
		l.kill()
	})
}

// TestCursorWaits saves no cursor while what its event has changed is not on the
// disk, and says so.
func TestCursorWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := newLife(t, dir, rules)
		l.connect("one")
		l.show(event("one", 1, "site/1", wire.JobInitialized, 0))
		l.show(event("one", 2, "site/1", wire.Transferring, 0))
		l.saves(2)
		l.runs.Close() // so that it cannot be written
		l.show(event("one", 3, "site/1", wire.JobCompleted, wire.Failed))
		l.show(event("one", 4, "site/2", wire.JobInitialized, 0))
		l.gets("site failed (S)")
		l.saves(2)
		if c := l.r.Cursor(); !c.IsZero() {
			t.Errorf("the cursor is %v", c)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(l.said) != 1 || !strings.Contains(l.said[0], "the history "+filepath.Join(dir, "history")+" cannot be written") {
			t.Errorf("it says %q", l.said)
		}
		l.kill()
		l = newLife(t, dir, rules)
		l.connect("one")
		l.show(event("one", 3, "site/1", wire.JobCompleted, wire.Failed))
		l.show(event("one", 4, "site/2", wire.JobInitialized, 0))
		l.gets()
		l.saves(4)
		if got := l.history(); !slices.Equal(got, []string{"site Failed"}) {
			t.Errorf("history %q", got)
		}
		l.kill()
	})
}

// TestGap writes one line to the history for events that were missed, even if the server
// announces the gap again.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for range 2 {
			l := newLife(t, dir, rules)
			l.connect("one")
			e := event("one", 20, "site/1", wire.JobInitialized, 0)
			e.Missed = 12
			l.show(e)
			l.gets()
			if got := l.history(); !slices.Equal(got, []string{"missed 12 of S"}) {
				t.Errorf("history %q", got)
			}
			l.saves(20)
			l.kill()
		}
	})
}

// TestFirstStart reports the state of the jobs once all events have come that the server
// had when it accepted the monitor, and from then on whatever happens, even if a job
// fails and recovers at once.
func TestFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, t.TempDir(), rules)
		l.at(wire.Cursor{Epoch: id("one")})
		l.r.Status(momclient.ConnectionStatus{Kind: momclient.Connected, Time: time.Now(), Epoch: id("one"), Head: 6})
		l.show(event("one", 1, "old/1", wire.JobInitialized, 0))
		l.show(event("one", 2, "old/1", wire.JobCompleted, wire.Failed))
		l.show(event("one", 3, "old/2", wire.JobInitialized, 0))
		l.show(event("one", 4, "old/2", wire.JobCompleted, wire.Succeeded))
		l.show(event("one", 5, "docs/1", wire.JobInitialized, 0))
		time.Sleep(time.Hour)
		l.show(event("one", 6, "docs/1", wire.JobCompleted, wire.Failed))
		l.gets("docs failed (S)")
		begin := time.Now()
		l.show(event("one", 7, "site/1", wire.JobInitialized, 0))
		l.show(event("one", 8, "site/1", wire.JobCompleted, wire.Failed))
		l.show(event("one", 9, "site/2", wire.JobInitialized, 0))
		l.show(event("one", 10, "site/2", wire.JobCompleted, wire.Succeeded))
		l.gets("site failed (S)", "site succeeded again, after 1 run without success since "+begin.UTC().Format("2006-01-02 15:04 MST")+" (S)")
		l.kill()
	})
}

// TestTwoServers keeps the cursors, the epochs and the runs of two servers apart. If one
// of them is restarted, only its runs are lost.
func TestTwoServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saved wire.Cursor
		var second *Server
		l := newLife(t, t.TempDir(), rules, func(l *life) {
			l.r.opts.Decider.Watch("T", true, time.Now())
			second = l.r.Add("T", func() wire.Cursor { return wire.Cursor{} }, func(c wire.Cursor) error {
				if !c.IsZero() {
					saved = c
				}
				return nil
			})
		})
		l.connect("one")
		l.show(event("one", 7, "site/1", wire.JobInitialized, 0))
		show := func(e wire.Event) {
			second.Event(&e)
			if err := second.Shown(&e); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		show(event("two", 3, "docs/1", wire.JobInitialized, 0))
		show(event("three", 1, "docs/2", wire.JobInitialized, 0))
		l.gets("docs: the end of a run was not seen: the server was restarted (T)")
		l.saves(7)
		if saved != (wire.Cursor{Epoch: id("three"), Seq: 1}) {
			t.Errorf("saved %v", saved)
		}
		_, runs := l.box.State()
		if len(runs) != 2 || l.box.At("S").Seq != 7 || l.box.At("T") != saved {
			t.Errorf("%+v, at %v and %v", runs, l.box.At("S"), l.box.At("T"))
		}
		l.kill()
	})
}
