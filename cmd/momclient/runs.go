package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/wire"
)

// printRuns prints the runs of the history for -o runs, in the order in which they
// ended. Those that moved nothing are folded.
func (c *config) printRuns(stdout io.Writer) error {
	var runs []runlog.Run
	since := time.Time{}
	if c.since > 0 {
		since = time.Now().Add(-c.since)
	}
	at := make(map[[16]byte]int)
	err := runlog.Read(c.history, c.serverName, func(r *runlog.Run) {
		if r.Ended.Before(since) || !c.takesRun(r) {
			return
		}
		if i, has := at[r.RunID]; has { // it was lost, and has ended after all
			runs[i] = *r
			return
		}
		at[r.RunID] = len(runs)
		runs = append(runs, *r)
	})
	if err != nil {
		return fmt.Errorf("-history: %w", err)
	}
	slices.SortStableFunc(runs, func(a, b runlog.Run) int { return a.Ended.Compare(b.Ended) })
	out := bufio.NewWriter(stdout)
	writeRuns(out, runlog.Fold(runs), time.Local)
	if err := out.Flush(); err != nil {
		return &writeError{err}
	}
	return nil
}

// takesRun reports whether -job selects the job of the run.
func (c *config) takesRun(r *runlog.Run) bool {
	e := wire.Event{JobID: r.JobID, Data: wire.TransferData{Initialize: &wire.InitializeData{Name: r.Job}}}
	jobs := c.shownJobs()
	return jobs.Takes(&e)
}

// writeRuns writes a line for each line of runs, with these columns:
//
//	end, job, how it ended, time, what it moved, details
//
// The server is a column if there are several.
func writeRuns(w io.Writer, lines []runlog.Line, loc *time.Location) {
	several, names, servers := false, 0, 0
	for i := range lines {
		several = several || lines[i].Server != lines[0].Server
		names = max(names, width.String(runName(&lines[i].Run)))
		servers = max(servers, width.String(serverName(&lines[i].Run)))
	}
	for i := range lines {
		l := &lines[i]
		name := runName(&l.Run)
		line := l.Ended.In(loc).Format("2006-01-02 15:04:05") + "  "
		if several {
			server := serverName(&l.Run)
			line += server + strings.Repeat(" ", servers-width.String(server)) + "  "
		}
		line += name + strings.Repeat(" ", names-width.String(name)) + "  " + runColumns(l, loc)
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// runName returns the name of the job. One that is too long loses its middle.
func runName(r *runlog.Run) string { return output.ClipMiddle(output.Clean(r.Name()), 36) }

// serverName returns the name of the server, likewise.
func serverName(r *runlog.Run) string { return output.ClipMiddle(output.Clean(r.Server), 36) }

// runColumns returns the columns behind the job.
func runColumns(l *runlog.Line, loc *time.Location) string {
	how := runWord(&l.Run)
	if l.Count > 1 {
		since := l.Since.In(loc).Format("15:04:05")
		if l.Ended.Sub(l.Since) >= 24*time.Hour {
			since = l.Since.In(loc).Format("2006-01-02 15:04:05")
		}
		what := "nothing to move, "
		if !l.Idle() {
			what = ""
		}
		text := fmt.Sprintf("%-21s %s%d times since %s", how, what, l.Count, since)
		if why := l.Why(); why != "" {
			text += "; " + output.Clean(why)
		}
		return text
	}
	took := ""
	if d := l.Took(); d > 0 {
		took = output.Took(d)
	}
	return fmt.Sprintf("%-21s %8s %10s  %s", how, took, output.Size(l.Bytes), strings.Join(runDetails(&l.Run), "; "))
}

// runWord says how a run ended.
func runWord(r *runlog.Run) string {
	word := "lost"
	if r.Lost == "" {
		word = map[wire.Outcome]string{
			wire.Succeeded: "succeeded", wire.SucceededWithErrors: "with errors", wire.Failed: "failed", wire.Cancelled: "cancelled",
		}[r.Outcome]
	}
	if word == "" {
		word = r.Outcome.String()
	}
	if r.DryRun {
		word = "[dry run] " + word
	}
	return word
}

// runDetails says what a run did, and why it failed.
func runDetails(r *runlog.Run) []string {
	var parts []string
	counts := []string{}
	for _, of := range []struct {
		n    int
		text string
	}{{r.Files, output.Plural(r.Files, "file")}, {r.Packages, output.Plural(r.Packages, "package")}, {r.PackagesFailed, output.Plural(r.PackagesFailed, "package") + " failed"},
		{r.FilesDeleted, fmt.Sprintf("%d deleted", r.FilesDeleted)}, {r.FilesChecked, fmt.Sprintf("%d checked", r.FilesChecked)}, {r.Errors, output.Plural(r.Errors, "error")}, {r.Warnings, output.Plural(r.Warnings, "warning")}} {
		if of.n > 0 {
			counts = append(counts, of.text)
		}
	}
	if len(counts) > 0 {
		parts = append(parts, strings.Join(counts, ", "))
	} else if r.Idle() {
		parts = append(parts, "nothing to move")
	}
	if why := r.Why(); why != "" {
		parts = append(parts, output.Clean(why))
	}
	return parts
}
