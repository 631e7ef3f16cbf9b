package alert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

const server = "S:7420"

var start = time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)

func id(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

func all(except ...Kind) map[Kind]bool {
	kinds := make(map[Kind]bool)
	for _, kind := range Kinds() {
		kinds[kind] = !slices.Contains(except, kind)
	}
	return kinds
}

// script is a Decider with a clock that the test moves.
type script struct {
	t    *testing.T
	d    *Decider
	now  time.Time
	runs int
}

// newScript returns a connected Decider that has learned the state of the jobs.
func newScript(t *testing.T, rules Rules) *script {
	s := &script{t: t, d: New(rules, nil), now: start}
	s.d.Watch(server, true, s.now)
	s.d.Expect(s.now)
	s.connect()
	s.tells()
	return s
}

// connect connects the server, all events of which have come.
func (s *script) connect() {
	s.d.Connected(server, s.now)
	s.d.CaughtUp(server, s.now)
}

// wait moves the clock, and looks once a second.
func (s *script) wait(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(min(time.Second, end.Sub(s.now)))
		s.d.Look(s.now)
	}
}

// run ends a run of the job with the outcome; zero for a lost one.
func (s *script) run(job string, outcome wire.Outcome, set ...func(*runlog.Run)) {
	s.runs++
	r := &runlog.Run{Server: server, JobID: id(job), Job: job, RunID: id(fmt.Sprint("run", s.runs)), Started: s.now.Add(-time.Second), Ended: s.now, Outcome: outcome}
	if outcome == 0 {
		r.Lost = jobs.LostByRestart
	} else if outcome != wire.Succeeded {
		r.Error = &runlog.Error{Item: "a", Message: "bad"}
	}
	for _, set := range set {
		set(r)
	}
	s.d.Ended(r, s.now)
}

// tells checks the texts of the alerts since the last call, each with its kind.
func (s *script) tells(want ...string) []*Alert {
	s.t.Helper()
	alerts, _ := s.d.Take()
	var got []string
	for _, a := range alerts {
		got = append(got, string(a.Kind)+": "+a.Text)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("after %v it tells\n\t%s\nwant\n\t%s", s.now.Sub(start), strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return alerts
}

// TestFailedAndRecovered tells a failure at once, then the count once per hour, and
// the recovery.
func TestFailedAndRecovered(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed)})
	s.run("site", wire.Succeeded)
	s.tells()
	s.run("site", wire.Failed)
	s.tells("failed: site failed: a: bad (S:7420)")
	for range 720 { // an hour
		s.wait(5 * time.Second)
		s.run("site", wire.Failed)
	}
	a := s.tells("failed: site goes on failing: 719 runs more since the last message, 720 since 2026-11-26 22:00 UTC: a: bad (S:7420)")[0]
	if a.Count != 719 || a.Run.RunID != id("run721") || a.Since != start {
		t.Errorf("%+v", a)
	}
	for range 10 {
		s.wait(5 * time.Second)
		s.run("site", wire.Failed)
	}
	s.tells()
	s.wait(FoldTime) // it does not run any more
	s.tells("failed: site goes on failing: 11 runs more since the last message, 731 since 2026-11-26 22:00 UTC: a: bad (S:7420)")
	s.wait(2 * FoldTime)
	s.run("site", wire.Cancelled)
	s.tells()
	s.run("site", wire.Succeeded)
	s.tells("recovered: site succeeded again, after 731 runs without success since 2026-11-26 22:00 UTC (S:7420)")
	s.run("site", wire.Succeeded)
	s.tells()
	s.run("site", wire.SucceededWithErrors)
	s.tells("failed: site succeeded with errors: a: bad (S:7420)")
	s.run("docs", wire.Failed, func(r *runlog.Run) { r.DryRun = true })
	s.tells()
}

// TestFlapping tells of a job that fails and recovers in turn at most MaxChanges
// times per hour, and in the end how it stands.
func TestFlapping(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed)})
	for range 300 {
		s.run("site", wire.Failed)
		s.wait(5 * time.Second)
		s.run("site", wire.Succeeded)
		s.wait(5 * time.Second)
	}
	alerts, _ := s.d.Take()
	if len(alerts) != MaxChanges {
		t.Errorf("%d messages in %v", len(alerts), s.now.Sub(start))
	}
	s.wait(FoldTime)
	s.tells("recovered: site succeeded again, after 297 runs without success since 2026-11-26 22:00 UTC (S:7420)")
	s.wait(FoldTime)
	s.run("site", wire.Failed)
	s.tells("failed: site failed: a: bad (S:7420)")
}

// TestCompleted tells of runs that succeeded once per minute, with their count.
func TestCompleted(t *testing.T) {
	s := newScript(t, Rules{Kinds: all()})
	s.run("site", wire.Succeeded, func(r *runlog.Run) { r.Packages, r.Files, r.Bytes, r.FilesDeleted = 1, 2, 2048, 3 })
	s.tells("completed: site succeeded: 2 files, 2.0 KiB, 3 deleted in 1s (S:7420)")
	for range 12 {
		s.wait(5 * time.Second)
		s.run("site", wire.Succeeded)
	}
	s.tells("completed: site succeeded 11 times since the last message; the last time there was nothing to move (S:7420)")
	s.run("site", wire.Succeeded)
	s.wait(CompletedTime)
	s.tells("completed: site succeeded 2 times since the last message; the last time there was nothing to move (S:7420)")
}

// TestPings tells a dead man's switch of each run at once, except of the beginning of a
// run that had begun before the monitor was connected.
func TestPings(t *testing.T) {
	s := newScript(t, Rules{Kinds: map[Kind]bool{Started: true, Succeeded: true, Broken: true}})
	begin := func(n int, fresh bool) {
		s.d.Began(&runlog.Run{Server: server, JobID: id("site"), Job: "site", RunID: id(fmt.Sprint("run", n))}, fresh, s.now)
	}
	begin(1, false)
	s.tells()
	for n := range 3 {
		begin(n+2, true)
		s.tells("started: site has begun a run (S:7420)")
		s.run("site", wire.Failed)
		s.tells("broken: site failed: a: bad (S:7420)")
		s.run("site", wire.Succeeded)
		s.tells("succeeded: site succeeded: there was nothing to move (S:7420)")
	}
	s.run("site", 0)
	s.tells("broken: site: the end of a run was not seen: the server was restarted (S:7420)")
	s.run("site", wire.SucceededWithErrors)
	s.tells("broken: site succeeded with errors: a: bad (S:7420)")
	s.run("site", wire.Cancelled)
	s.tells()
}

// TestLostRuns tells that the end of a run was not seen, and counts it as a
// failure, unless nobody wants to know.
func TestLostRuns(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed)})
	s.run("site", 0)
	s.tells("lost: site: the end of a run was not seen: the server was restarted (S:7420)")
	s.run("site", wire.Failed)
	s.tells()
	s.run("site", wire.Succeeded)
	s.tells("recovered: site succeeded again, after 2 runs without success since 2026-11-26 22:00 UTC (S:7420)")
	s = newScript(t, Rules{Kinds: all(Completed, Lost)})
	s.run("site", 0)
	s.run("site", wire.Succeeded)
	s.d.Away(server, "reset", false, s.now)
	s.wait(2 * LostTime)
	s.connect()
	s.wait(LostTime)
	s.tells()
}

// TestServerLost tells that the server was away for longer than the grace time, and
// that it is back.
func TestServerLost(t *testing.T) {
	s := newScript(t, Rules{Kinds: all()})
	s.d.Away(server, "reset", false, s.now)
	s.wait(LostTime - time.Second)
	s.connect()
	s.wait(LostTime)
	s.tells()
	s.d.Away(server, "refused", false, s.now)
	s.wait(LostTime - time.Second)
	s.tells()
	s.wait(time.Hour)
	a := s.tells("lost: S:7420 has been away since 2026-11-26 22:01 UTC: refused")[0]
	if a.JobID != uuid.Nil || !a.AboutServer() {
		t.Errorf("%+v", a)
	}
	s.d.Connected(server, s.now)
	s.tells("recovered: S:7420 answers again; it was away since 2026-11-26 22:01 UTC")
	s.wait(time.Hour)
	s.d.Away(server, "wrong token", true, s.now)
	s.tells("lost: S:7420 has been away since 2026-11-27 00:02 UTC: wrong token")
}

// TestStale tells once that a job has not succeeded for so long: its own time, or
// that of all, and also of a job that was never seen.
func TestStale(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed), Stale: 26 * time.Hour, StaleJobs: map[string]time.Duration{"site": 2 * time.Hour, id("docs").String(): 3 * time.Hour}, Names: []string{"never"}})
	s.run("site", wire.Succeeded)
	s.run("docs", wire.Succeeded)
	s.run("shop", wire.Succeeded)
	s.wait(2*time.Hour - time.Second)
	s.tells()
	s.wait(time.Second)
	s.tells("stale: site has not succeeded since 2026-11-26 22:00 UTC (S:7420)")
	s.run("site", wire.Cancelled)
	s.wait(time.Hour)
	s.tells("stale: docs has not succeeded since 2026-11-26 22:00 UTC (S:7420)")
	s.run("site", wire.Succeeded)
	s.tells("recovered: site succeeded, for the first time since 2026-11-26 22:00 UTC (S:7420)")
	s.run("docs", wire.Failed)
	s.tells("failed: docs failed: a: bad (S:7420)")
	s.run("docs", wire.Succeeded)
	s.tells("recovered: docs succeeded again, after 1 run without success since 2026-11-27 01:00 UTC (S:7420)")
	s.wait(time.Hour)
	s.run("shop", wire.Failed)
	s.tells("failed: shop failed: a: bad (S:7420)")
	s.wait(30 * time.Hour)
	alerts, _ := s.d.Take()
	texts := make(map[string]int)
	for _, a := range alerts {
		texts[a.Text]++
	}
	for _, text := range []string{
		"never has not succeeded since the monitor first waited for it, 2026-11-26 22:00 UTC (S:7420)",
		"shop has not succeeded since 2026-11-26 22:00 UTC (S:7420)", "site has not succeeded since 2026-11-27 01:00 UTC (S:7420)", "docs has not succeeded since 2026-11-27 01:00 UTC (S:7420)",
	} {
		if texts[text] != 1 {
			t.Errorf("%d times %q in %v", texts[text], text, texts)
		}
	}
	s.run("never", wire.Succeeded)
	s.tells("recovered: never succeeded, for the first time since 2026-11-26 22:00 UTC (S:7420)")
	if len(alerts) != 4 || len(s.d.subjects) != 4 {
		t.Errorf("%d messages, %d subjects: %v", len(alerts), len(s.d.subjects), texts)
	}
}

// TestStaleCatchUp does not tell that a job is stale before the events are known
// that came while the monitor, or the server, was away.
func TestStaleCatchUp(t *testing.T) {
	rules := Rules{Kinds: all(Completed), Stale: time.Hour}
	s := newScript(t, rules)
	s.run("site", wire.Succeeded)
	_, subjects := s.d.Take()
	s.now = s.now.Add(10 * time.Hour)
	s.d = New(rules, subjects)
	s.d.Watch(server, true, s.now)
	s.d.Connected(server, s.now)
	s.wait(20 * time.Minute)
	s.run("site", wire.Succeeded, func(r *runlog.Run) { r.Ended = s.now.Add(-30 * time.Minute) })
	s.d.CaughtUp(server, s.now)
	s.tells()
	s.wait(30 * time.Minute)
	s.tells("stale: site has not succeeded since 2026-11-27 07:50 UTC (S:7420)")
}

// TestStaleHistory counts from the last success in the history, if the monitor does
// not know a later one.
func TestStaleHistory(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed), Stale: 26 * time.Hour})
	s.d.Know(server, id("site"), "site", start.Add(-25*time.Hour), s.now)
	s.run("docs", wire.Succeeded)
	s.d.Know(server, id("docs"), "docs", start.Add(-25*time.Hour), s.now)
	s.wait(time.Hour)
	s.tells("stale: site has not succeeded since 2026-11-25 21:00 UTC (S:7420)")
	s.wait(24 * time.Hour)
	s.tells()
}

// TestStalled tells once for each run that it has not changed for so long, and does
// not count the time in which the server is away.
func TestStalled(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed, Lost), Stalled: 10 * time.Minute})
	s.d.Began(&runlog.Run{Server: server, JobID: id("site"), Job: "site", RunID: id("run1")}, true, s.now)
	s.wait(9 * time.Minute)
	s.d.Heard(id("run1"), s.now)
	s.wait(9 * time.Minute)
	s.d.Away(server, "reset", false, s.now)
	s.wait(20 * time.Minute)
	s.connect()
	s.wait(10*time.Minute - time.Second)
	s.tells()
	s.wait(time.Hour)
	s.tells("stalled: site: a run has not changed since 2026-11-26 22:38 UTC (S:7420)")
	s.run("site", wire.Succeeded)
	s.tells("recovered: site succeeded again (S:7420)")
	s.wait(time.Hour)
	s.tells()
}

// TestRestart goes on after a restart: what was told is not told again, and an
// alert about the same run has the same ID.
func TestRestart(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed)})
	s.run("site", wire.Failed)
	before, changed := s.d.Take()
	text, err := json.Marshal(changed)
	if err != nil {
		t.Fatal(err)
	}
	var kept []Subject
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	s.d = New(s.d.rules, kept)
	s.d.Watch(server, true, s.now)
	s.connect()
	s.run("site", wire.Failed)
	s.wait(time.Minute)
	s.tells()
	s.run("site", wire.Succeeded)
	s.tells("recovered: site succeeded again, after 2 runs without success since 2026-11-26 22:00 UTC (S:7420)")

	other := newScript(t, Rules{Kinds: all(Completed)})
	other.run("site", wire.Failed)
	if again, _ := other.d.Take(); again[0].ID != before[0].ID {
		t.Errorf("IDs %v and %v", again[0].ID, before[0].ID)
	}
}

// TestFirstStart takes the events that the server has cached without a message for
// each, and then tells which jobs are failing. What happens after that is told at once.
func TestFirstStart(t *testing.T) {
	kinds := all()
	kinds[Broken] = true
	s := &script{t: t, d: New(Rules{Kinds: kinds}, nil), now: start}
	s.d.Watch(server, false, s.now)
	s.d.Connected(server, s.now)
	s.run("site", wire.Failed)
	s.run("site", wire.Succeeded)
	s.run("docs", wire.Succeeded)
	s.run("docs", wire.Failed)
	s.run("docs", wire.Failed)
	s.wait(time.Hour)
	if s.tells(); s.d.Learned(server) {
		t.Error("it has learned what it cannot know yet")
	}
	s.d.CaughtUp(server, s.now)
	s.tells("broken: docs failed: a: bad (S:7420)", "failed: docs failed: a: bad (S:7420)")
	s.run("docs", wire.Succeeded)
	s.tells("recovered: docs succeeded again, after 2 runs without success since 2026-11-26 22:00 UTC (S:7420)", "completed: docs succeeded: there was nothing to move (S:7420)")
	s.run("site", wire.Failed)
	s.tells("broken: site failed: a: bad (S:7420)", "failed: site failed: a: bad (S:7420)")
	s.run("site", wire.Succeeded)
	if a := s.tells("recovered: site succeeded again, after 1 run without success since 2026-11-26 23:00 UTC (S:7420)", "completed: site succeeded: there was nothing to move (S:7420)")[0]; a.Count != 1 {
		t.Errorf("%+v", a)
	}
}

// TestSeveralServers sends messages about each server, even if another server was
// never connected. A job that the rules name is expected on any server, unless the rules name
// the server, too.
func TestSeveralServers(t *testing.T) {
	s := &script{t: t, d: New(Rules{
		Kinds: all(Completed), Names: []string{"never"}, Stale: 10 * time.Hour, StaleJobs: map[string]time.Duration{"site": 3 * time.Hour, "b/site": time.Hour, "b/docs": 2 * time.Hour},
	}, nil), now: start}
	for _, server := range []string{"a", "b", "away"} {
		s.d.Watch(server, false, s.now)
	}
	s.d.Expect(s.now)
	for _, server := range []string{"a", "b"} {
		s.d.Connected(server, s.now)
		s.d.CaughtUp(server, s.now)
	}
	on := func(server string) func(*runlog.Run) { return func(r *runlog.Run) { r.Server = server } }
	s.run("site", wire.Failed, on("a"))
	s.tells("failed: site failed: a: bad (a)")
	s.run("site", wire.Succeeded, on("b"))
	s.tells()
	s.run("site", wire.Succeeded, on("a"))
	s.tells("recovered: site succeeded again, after 1 run without success since 2026-11-26 22:00 UTC (a)")
	s.wait(time.Hour)
	s.tells("lost: away has been away since 2026-11-26 22:00 UTC", "stale: site has not succeeded since 2026-11-26 22:00 UTC (b)")
	s.run("site", wire.Succeeded, on("b"))
	if a := s.tells("recovered: site succeeded, for the first time since 2026-11-26 22:00 UTC (b)")[0]; !a.Since.Equal(start) {
		t.Errorf("%+v", a)
	}
	s.wait(2*time.Hour - time.Second)
	s.tells("stale: docs has not succeeded since the monitor first waited for it, 2026-11-26 22:00 UTC (b)", "stale: site has not succeeded since 2026-11-26 23:00 UTC (b)")
	s.wait(time.Second)
	s.tells("stale: site has not succeeded since 2026-11-26 22:00 UTC (a)")
	s.wait(8 * time.Hour)
	s.tells("stale: never has not succeeded since the monitor first waited for it, 2026-11-26 22:00 UTC")
	s.run("never", wire.Succeeded, on("b"))
	s.tells("recovered: never succeeded, for the first time since 2026-11-26 22:00 UTC (b)")
}

// TestHostileNames keeps a text one line, without characters that control a
// terminal.
func TestHostileNames(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed)})
	s.run("a\n\x1b[31m", wire.Failed, func(r *runlog.Run) { r.Error.Message = "b\r\nc\u202e" })
	s.tells(`failed: a\n\x1b[31m failed: a: b\r\nc\u202e (S:7420)`)
}

// TestBounds keeps a bounded number of subjects.
func TestBounds(t *testing.T) {
	s := newScript(t, Rules{Kinds: all(Completed)})
	for n := range MaxSubjects + 10 {
		s.run(fmt.Sprint(n), wire.Succeeded)
		s.now = s.now.Add(time.Millisecond)
	}
	if len(s.d.subjects) != MaxSubjects || s.d.subjects[key{server: server, job: id("0")}] != nil {
		t.Errorf("%d subjects", len(s.d.subjects))
	}
}
