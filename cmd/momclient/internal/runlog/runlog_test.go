package runlog

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

var start = time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)

func id(kind string, n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d", kind, n))
}

// run returns a run of the job "site" that moved a file, with the changes.
func run(n int, set ...func(*Run)) *Run {
	r := &Run{
		Server: "S", JobID: id("job", 0), Job: "site", RunID: id("run", n), Started: start.Add(time.Duration(n) * time.Minute),
		Ended: start.Add(time.Duration(n)*time.Minute + 2*time.Second), Outcome: wire.Succeeded, Packages: 1, Files: 1, Bytes: 100,
	}
	for _, set := range set {
		set(r)
	}
	return r
}

func idle(r *Run) { r.Packages, r.Files, r.Bytes = 0, 0, 0 }
func failed(r *Run) {
	r.Outcome, r.Packages, r.Files, r.Error = wire.Failed, 0, 0, &Error{Item: "a", Message: "no space left on device"}
}
func full(r *Run)  { r.Error = &Error{Message: "quota exceeded"} }
func lost(r *Run)  { r.Outcome, r.Lost = 0, jobs.LostByRestart }
func other(r *Run) { r.JobID, r.Job = id("job", 1), "docs" }

// same is an alias function for servers that always had the same names.
func same(server string) string { return server }

func open(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path, same)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// runsIn returns the runs in the files of a history.
func runsIn(t *testing.T, path string) (runs []Run) {
	t.Helper()
	if err := Read(path, same, func(r *Run) { runs = append(runs, *r) }, func(*Gap) {}); err != nil {
		t.Fatal(err)
	}
	return runs
}

// TestOnce writes a line for each run, however often it is added, before and after
// a restart. A run that was lost and is seen to end has a second line.
func TestOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	l := open(t, path)
	for _, tc := range []struct {
		run  *Run
		want bool
	}{{run(1), true}, {run(2, lost), true}, {run(1), false}, {run(2, lost), false}, {run(2), true}, {run(2), false}, {run(2, lost), false}, {run(3, lost), true}} {
		if got := l.Add(tc.run); got != tc.want {
			t.Errorf("%+v is new: %v", tc.run, got)
		}
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = open(t, path)
	for n, want := range map[int]bool{1: false, 2: false, 3: true, 4: true} {
		if got := l.Add(run(n)); got != want {
			t.Errorf("run %d is new after a restart: %v", n, got)
		}
	}
	lines, _ := l.Lines(Key{"S", id("job", 0)})
	if len(lines) != 4 || lines[1].Lost != "" || lines[2].Lost != "" {
		t.Errorf("%d lines in memory: %+v", len(lines), lines)
	}
	if n := len(runsIn(t, path)); n != 6 {
		t.Errorf("%d lines in the file", n)
	}
}

// TestCutOff skips a line that is cut off at any byte, and writes the next run on a
// line of its own.
func TestCutOff(t *testing.T) {
	whole, err := json.Marshal(run(2))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := json.Marshal(run(1))
	path := filepath.Join(t.TempDir(), "history")
	for cut := range len(whole) {
		if err := os.WriteFile(path, append(append(first, '\n'), whole[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		first = first[:len(first):len(first)]
		l := open(t, path)
		if again := l.Add(run(1)); again || !l.Add(run(3)) {
			t.Fatalf("cut at %d: run 1 is new: %v", cut, again)
		}
		l.Close()
		if got := runsIn(t, path); len(got) != 2 || got[0].RunID != id("run", 1) || got[1].RunID != id("run", 3) {
			t.Fatalf("cut at %d: %+v", cut, got)
		}
	}
}

// TestRotate begins another file at the size, and keeps one older file. Runs of
// both are known after a restart.
func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	l := open(t, path)
	l.maxFile = 2000
	for n := range 100 {
		l.Add(run(n))
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	l.Close()
	runs := runsIn(t, path)
	for i := range runs {
		if runs[i].RunID != id("run", 100-len(runs)+i) {
			t.Fatalf("run %d of %d is %+v", i, len(runs), runs[i])
		}
	}
	for _, name := range []string{path, path + ".1"} {
		if info, err := os.Stat(name); err != nil || info.Size() > 2500 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	l = open(t, path)
	if len(runs) < 5 || len(l.known) != len(runs) || l.Add(run(100-len(runs))) || len(l.old) == 0 || len(l.old) >= len(runs) {
		t.Errorf("%d runs in the files, %d known, %d old", len(runs), len(l.known), len(l.old))
	}
	l.maxFile = 0
	if l.Add(run(200)); len(l.known) != len(runs)-len(l.old)+1 && len(l.old) == 0 {
		t.Errorf("%d known after a rotation", len(l.known))
	}
}

// TestUnwritable keeps what cannot be written, says so, and writes it once it can.
func TestUnwritable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	l := open(t, path)
	l.Add(run(1))
	whole := l.file
	broken, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	l.file = broken // to be read only
	l.Add(run(2))
	l.Add(run(3))
	if err := l.Sync(); err == nil || !strings.Contains(err.Error(), "the history "+path+" cannot be written") {
		t.Errorf("Sync: %v", err)
	}
	l.file = whole
	broken.Close()
	if err := l.Sync(); err != nil {
		t.Errorf("Sync: %v", err)
	}
	if got := runsIn(t, path); len(got) != 3 || got[2].RunID != id("run", 3) {
		t.Errorf("%+v", got)
	}
}

// TestShared refuses a second monitor, and what is no regular file, and follows no
// link in a directory where every user may write.
func TestShared(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history")
	open(t, path)
	if _, err := Open(path, same); err == nil || !strings.Contains(err.Error(), "another monitor writes its history there") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := Open(dir, same); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none", "history"), same); err == nil || !strings.Contains(err.Error(), "name a file that can be written") {
		t.Errorf("no directory: %v", err)
	}
	shared := filepath.Join(dir, "shared")
	os.Mkdir(shared, 0o700)
	os.Chmod(shared, 0o777|os.ModeSticky)
	target := filepath.Join(dir, "target")
	for _, name := range []string{"history", "later.1"} {
		if err := os.Symlink(target, filepath.Join(shared, name)); err != nil {
			t.Skip(err)
		}
	}
	for _, name := range []string{"history", "later"} {
		if _, err := Open(filepath.Join(shared, name), same); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("%s is a link: %v", name, err)
		}
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("it wrote through the link")
	}
}

// TestSummary answers for a job: its last success, change and failure, and the
// trend of the runs that were not idle. Dry runs do not count.
func TestSummary(t *testing.T) {
	l := open(t, "")
	dry := func(r *Run) { r.DryRun = true }
	for _, r := range []*Run{run(1), run(2, failed), run(3, idle), run(4, idle), run(5, dry), run(6, dry, failed), run(7, other)} {
		l.Add(r)
	}
	views := l.Jobs()
	if len(views) != 2 || views[0].Name != "docs" || views[1].Version != 6 {
		t.Fatalf("%+v", views)
	}
	s := views[1].Summary
	if s.LastSuccess != run(4).Ended || s.LastChange != run(1).Ended || s.ChangeBytes != 100 || s.LastFailure.RunID != id("run", 2) || s.Why != "a: no space left on device" || s.Idle != 2 {
		t.Errorf("%+v", s)
	}
	if len(s.Trend) != 2 || s.Trend[0].Seconds != 2 || s.Trend[0].Bytes != 100 || s.Trend[0].Failed || !s.Trend[1].Failed {
		t.Errorf("trend %+v", s.Trend)
	}
	for n := range 30 {
		l.Add(run(20+n, failed))
	}
	if s := l.Jobs()[0].Summary; s.Failures != 30 || len(s.Trend) != 3 || s.Trend[2].RunID != id("run", 49) {
		t.Errorf("failing: %+v", s)
	}
	l = open(t, "")
	for _, r := range []*Run{run(1), run(2, failed), run(3, idle), run(4, idle), run(5, dry), run(6, dry, failed), run(7, other)} {
		l.Add(r)
	}
	l.Add(run(8, lost))
	if s := l.Jobs()[0].Summary; s.Why != "the server was restarted" || s.Idle != 0 || len(s.Trend) != 3 {
		t.Errorf("lost: %+v", s)
	}
	l.Add(run(8))
	if s := l.Jobs()[0].Summary; s.LastFailure != nil || len(s.Trend) != 3 || s.Trend[2].Failed {
		t.Errorf("found again: %+v", s)
	}
}

// TestFold makes one line of the runs of a job that follow each other, moved nothing
// and ended alike, with their count, in memory and in a list.
func TestFold(t *testing.T) {
	runs := []Run{*run(1), *run(2, idle), *run(3, other), *run(4, idle), *run(5, idle), *run(6, failed), *run(7, idle), *run(8, other, idle), *run(9, failed), *run(10, failed), *run(11, failed, full)}
	describe := func(lines []Line) string {
		var b strings.Builder
		for _, l := range lines {
			fmt.Fprintf(&b, "%d:%s×%d ", l.Ended.Sub(start)/time.Minute, l.Job, l.Count)
		}
		return strings.TrimSpace(b.String())
	}
	lines := Fold(runs)
	if got := describe(lines); got != "1:site×0 3:docs×0 5:site×3 6:site×1 7:site×1 8:docs×1 10:site×2 11:site×1" {
		t.Error(got)
	}
	if lines[2].Since != runs[1].Ended {
		t.Errorf("since %v", lines[2].Since)
	}
	l := open(t, "")
	for i := range runs {
		l.Add(&runs[i])
	}
	kept, _ := l.Lines(Key{"S", id("job", 0)})
	if got := describe(kept); got != "11:site×1 10:site×2 7:site×1 6:site×1 5:site×3 1:site×0" {
		t.Error(got)
	}
}

// TestBounds keeps a bounded number of jobs, lines and points.
func TestBounds(t *testing.T) {
	l := open(t, "")
	for n := range MaxJobs + 1 {
		l.Add(run(n, func(r *Run) { r.JobID = id("job", n) }))
	}
	if views := l.Jobs(); len(views) != MaxJobs || views[MaxJobs-1].Last.RunID != id("run", 1) {
		t.Errorf("%d jobs", len(views))
	}
	for n := range 2 * MaxLines {
		l.Add(run(10_000 + n))
	}
	lines, forgotten := l.Lines(Key{"S", id("job", 0)})
	if len(lines) != MaxLines || forgotten != MaxLines || len(l.Jobs()[0].Summary.Trend) != MaxTrend || len(l.known) > 0 {
		t.Errorf("%d lines, %d forgotten", len(lines), forgotten)
	}
}

// TestGaps writes one line for each gap, even after a restart.
func TestGaps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	gap := func(seq, missed uint64) *Gap {
		return &Gap{Server: "S", Time: time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC), Epoch: id("epoch", 0), Seq: seq, Missed: missed}
	}
	for range 2 {
		l := open(t, path)
		l.AddGap(gap(7, 3))
		l.AddGap(gap(7, 4)) // behind a snapshot with the same run
		l.Add(run(1))
		l.AddGap(gap(9, 3))
		l.Close()
	}
	var got []Gap
	runs := 0
	if err := Read(path, same, func(*Run) { runs++ }, func(g *Gap) { got = append(got, *g) }); err != nil {
		t.Fatal(err)
	}
	if want := []Gap{*gap(7, 3), *gap(7, 4), *gap(9, 3)}; !slices.Equal(got, want) || runs != 1 {
		t.Errorf("%d runs, %+v", runs, got)
	}
	if open(t, "").AddGap(gap(1, 1)) {
		t.Error("a log without a file waits for the disk")
	}
}

// TestAlias returns the runs of a server under its present name.
func TestAlias(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	l := open(t, path)
	l.Add(run(1))
	l.Close()
	alias := func(string) string { return "now" }
	l, err := Open(path, alias)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if all := l.Jobs(); len(all) != 1 || all[0].Key.Server != "now" {
		t.Errorf("%+v", all)
	}
	if err := Read(path, alias, func(r *Run) {
		if r.Server != "now" {
			t.Errorf("%+v", r)
		}
	}, nil); err != nil {
		t.Error(err)
	}
}
