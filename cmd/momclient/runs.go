package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"mom.internal/cmd/momclient/internal/completion"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/wire"
)

// printRuns prints the runs of the history for -o runs, in the order in which they
// ended. Those that moved nothing are folded.
func (c *config) printRuns(stdout io.Writer) error {
	var runs []runlog.Run
	var gaps []runlog.Gap
	jobs := make(map[string]bool) // the names of all jobs
	since := time.Time{}
	if c.since > 0 {
		since = time.Now().Add(-c.since)
	}
	at := make(map[[16]byte]int)
	known := false // -job selects a job of the history
	err := runlog.Read(c.history, c.serverName, func(r *runlog.Run) {
		jobs[r.Name()] = true
		if !c.takesRun(r) {
			return
		}
		if known = true; r.Ended.Before(since) {
			return
		}
		if i, has := at[r.RunID]; has { // it was lost, and has ended after all
			runs[i] = *r
			return
		}
		at[r.RunID] = len(runs)
		runs = append(runs, *r)
	}, func(g *runlog.Gap) {
		if !g.Time.Before(since) {
			gaps = append(gaps, *g)
		}
	})
	if err != nil {
		return fmt.Errorf("-history: %w", err)
	}
	if len(c.filter.Names)+len(c.filter.Jobs) > 0 && !known {
		return fmt.Errorf("%s has no run of a job of -job; %s", c.history, completion.JobNames(slices.Sorted(maps.Keys(jobs))))
	}
	slices.SortStableFunc(gaps, func(a, b runlog.Gap) int { return a.Time.Compare(b.Time) })
	slices.SortStableFunc(runs, func(a, b runlog.Run) int { return a.Ended.Compare(b.Ended) })
	out := bufio.NewWriter(stdout)
	writeRuns(out, runlog.Fold(runs), gaps, time.Local)
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
// A gap has a line at its time. If there are several servers, they have a column.
func writeRuns(w io.Writer, lines []runlog.Line, gaps []runlog.Gap, loc *time.Location) {
	several, names, widest := make(map[string]bool), 0, 0
	for i := range lines {
		several[lines[i].Server] = true
		names = max(names, width.String(runName(&lines[i].Run)))
	}
	for i := range gaps {
		several[gaps[i].Server] = true
	}
	for server := range several {
		widest = max(widest, width.String(serverName(server)))
	}
	begin := func(at time.Time, server string) string {
		line := at.In(loc).Format("2006-01-02 15:04:05") + "  "
		if len(several) > 1 {
			name := serverName(server)
			line += name + strings.Repeat(" ", widest-width.String(name)) + "  "
		}
		return line
	}
	for i := range lines {
		l := &lines[i]
		for len(gaps) > 0 && gaps[0].Time.Before(l.Ended) {
			writeGap(w, begin(gaps[0].Time, gaps[0].Server), &gaps[0])
			gaps = gaps[1:]
		}
		name := runName(&l.Run)
		line := begin(l.Ended, l.Server) + name + strings.Repeat(" ", names-width.String(name)) + "  " + runColumns(l, loc)
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	for i := range gaps {
		writeGap(w, begin(gaps[i].Time, gaps[i].Server), &gaps[i])
	}
}

func writeGap(w io.Writer, begin string, g *runlog.Gap) {
	fmt.Fprintf(w, "%s--- missed %s, and perhaps whole runs among them ---\n", begin, output.Plural(g.Missed, "event"))
}

// runName returns the name of the job. One that is too long loses its middle.
func runName(r *runlog.Run) string { return output.ClipMiddle(output.Clean(r.Name()), 36) }

// serverName returns the name of a server. One that is too long loses its middle.
func serverName(name string) string { return output.ClipMiddle(output.Clean(name), 36) }

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
