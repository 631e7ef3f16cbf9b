package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// TestPrintRuns prints the runs of the history in the order of their ends, with the
// idle ones folded: all, those of a job, and those of the last hours.
func TestPrintRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	now := time.Now()
	n := 0
	var lines []string
	add := func(name string, ago time.Duration, outcome wire.Outcome, set ...func(*runlog.Run)) {
		n++
		r := runlog.Run{Server: "S", JobID: jobID(name), Job: name, RunID: jobID(name + strings.Repeat("x", n)), Started: now.Add(-ago - 90*time.Second), Ended: now.Add(-ago), Outcome: outcome}
		for _, set := range set {
			set(&r)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text)+"\n")
	}
	moved := func(r *runlog.Run) { r.Packages, r.Files, r.Bytes, r.FilesDeleted = 1, 12, 3<<20, 2 }
	add("site", 30*time.Hour, wire.Succeeded, moved)
	add("site\x1b[31m", 5*time.Hour, wire.Failed, func(r *runlog.Run) {
		r.Errors, r.Error = 1, &runlog.Error{Item: "a\nb", Message: "no space left on device"}
	})
	for i := range 3 {
		add("site", time.Duration(4-i)*time.Hour, wire.Succeeded)
	}
	add("docs", 3*time.Hour+time.Minute, 0, func(r *runlog.Run) { r.Lost = jobs.LostByRestart })
	again := lines[len(lines)-1]
	add("docs", time.Hour, wire.Cancelled, func(r *runlog.Run) { r.Started = time.Time{} })
	gap, err := json.Marshal(runlog.Gap{Server: "S", Time: now.Add(-90 * time.Minute), Seq: 9, Missed: 12})
	if err != nil {
		t.Fatal(err)
	}
	lines = append(lines, string(gap)+"\n")
	write(t, path, strings.Join(lines, "")+"junk\n"+strings.Replace(again, `"lost":"restart"`, `"outcome":"SucceededWithErrors"`, 1))

	for _, tc := range []struct {
		args []string
		want []string // each has the words, in their order, separated by |
	}{
		{nil, []string{
			"site  |succeeded|1m30s|3.0 MiB|12 files, 1 package, 2 deleted", `site\x1b[31m|failed|1 error; a\nb: no space left on device`,
			"docs  |with errors", "site  |succeeded|nothing to move, 3 times since ", "--- missed 12 events, and perhaps whole runs among them ---", "docs  |cancelled",
		}},
		{[]string{"-job", "docs"}, []string{"docs  with errors", "--- missed 12", "docs  cancelled"}},
		{[]string{"-job", jobID("docs").String(), "-since", "2h"}, []string{"--- missed 12", "cancelled"}},
		{[]string{"-since", "1s"}, nil},
	} {
		code, out, errs := command(t, append([]string{"-o", "runs", "-history", path}, tc.args...)...)
		if code != exitOK || errs != "" || strings.Count(out, "\n") != len(tc.want) {
			t.Errorf("%v: exit %d, %s\n%s", tc.args, code, errs, out)
			continue
		}
		for i, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
			for _, words := range strings.FieldsFunc(strings.Join(tc.want[i:min(i+1, len(tc.want))], ""), func(r rune) bool { return r == '|' }) {
				_, rest, found := strings.Cut(line, words)
				if !found {
					t.Errorf("%v: no %q in line %d:\n%s", tc.args, words, i, out)
				}
				line = rest
			}
		}
	}
}

// TestPrintRunsUnknownJob says which jobs the history has, if it has none of -job.
func TestPrintRunsUnknownJob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	write(t, path, "")
	for _, want := range []string{"has no run of a job of -job; there are no jobs yet\n", `has no run of a job of -job; the jobs are "docs", "site"` + "\n"} {
		code, out, errs := command(t, "-o", "runs", "-history", path, "-job", "nosuch")
		if code != exitUsage || out != "" || !strings.HasSuffix(errs, path+" "+want) {
			t.Errorf("exit %d, %q, %q", code, out, errs)
		}
		var lines []byte
		for _, name := range []string{"site", "docs"} {
			text, _ := json.Marshal(runlog.Run{Server: "S", JobID: jobID(name), Job: name, RunID: jobID(name), Ended: time.Now().Add(-time.Hour), Outcome: wire.Succeeded})
			lines = append(append(lines, text...), '\n')
		}
		write(t, path, string(lines))
	}
	if code, out, errs := command(t, "-o", "runs", "-history", path, "-job", "site", "-since", "1m"); code != exitOK || out+errs != "" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

// TestPrintRunsServers has a column for the server if there are several.
func TestPrintRunsServers(t *testing.T) {
	var b strings.Builder
	line := func(server string) runlog.Line {
		return runlog.Line{Run: runlog.Run{Server: server, Job: "site", Outcome: wire.Succeeded}}
	}
	writeRuns(&b, []runlog.Line{line("A"), line("A")}, nil, time.UTC)
	if strings.Contains(b.String(), "  A  ") {
		t.Error(b.String())
	}
	b.Reset()
	writeRuns(&b, []runlog.Line{line("A"), line("BB")}, nil, time.UTC)
	if !strings.Contains(b.String(), "  A   site") || !strings.Contains(b.String(), "  BB  site") {
		t.Error(b.String())
	}
}
