package screen

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// staleWord is the word for jobs that have not succeeded for a day.
const staleWord = "stale"

// stateWord describes the state of a run, in at most 15 characters, or in at
// most 12 if short is set.
func stateWord(r *jobs.Run, short bool) string {
	switch s := standingOf(r); {
	case s.word == "failed":
		return failedWord(r.State, short)
	case !r.Running:
		return s.word
	}
	switch r.State {
	case wire.JobInitialized:
		if scans(r) {
			return "scanning"
		}
		return "initialized"
	case wire.PackageInitialized:
		return "packaging"
	case wire.Transferring:
		return "transferring"
	case wire.Transferred:
		return "importing"
	case wire.PackageCompleted:
		return "imported"
	}
	return "running"
}

// stateWord describes the state of the job's run, and whether the job still needs
// attention because of the run before, in as many characters as the function of this name.
func (e *entry) stateWord(short bool) string {
	r := &e.job.Run
	switch {
	case !r.Running || !e.again():
		return stateWord(r, short)
	case short:
		return e.bad + ", runs"
	}
	return e.bad + ", running"
}

func failedWord(s wire.State, short bool) string {
	if short {
		return "failed"
	}
	switch s {
	case wire.ExportingError:
		return "export failed"
	case wire.TransferringError:
		return "transfer failed"
	case wire.ImportingError:
		return "import failed"
	}
	return "failed"
}

func packageWord(p *jobs.Package) string {
	switch p.State {
	case wire.PackageInitialized:
		return "prepared"
	case wire.Transferring:
		return "transferring"
	case wire.Transferred:
		return "importing"
	}
	if p.State.IsError() {
		return "failed"
	}
	return "running"
}

// scans reports whether the run works out what there is to do.
func scans(r *jobs.Run) bool {
	return r.Running && r.State == wire.JobInitialized && (r.Item != "" || r.Progress.FilesChecked > 0)
}

// standing is how a run stands: whether it is running, how it ended, or that it is
// lost.
type standing struct {
	word  string
	style string
	count func(*jobs.Counts) int
}

// standings are in the order in which they are counted on the screen.
var standings = []standing{
	{"failed", red, func(n *jobs.Counts) int { return n.Failed }},
	{"lost", yellow, func(n *jobs.Counts) int { return n.Lost }},
	{"with errors", yellow, func(n *jobs.Counts) int { return n.SucceededWithErrors }},
	{"running", cyan, func(n *jobs.Counts) int { return n.Running }},
	{"cancelled", magenta, func(n *jobs.Counts) int { return n.Cancelled }},
	{"succeeded", green, func(n *jobs.Counts) int { return n.Succeeded }},
}

func standingOf(r *jobs.Run) *standing {
	var n jobs.Counts
	n.Add(r)
	return &standings[slices.IndexFunc(standings, func(s standing) bool { return s.count(&n) > 0 })]
}

// badRun returns a run that stands as the word of runlog.Summary.Trouble says.
func badRun(trouble string) *jobs.Run {
	switch trouble {
	case "lost":
		return &jobs.Run{Lost: jobs.LostInGap}
	case "errors":
		return &jobs.Run{Outcome: wire.SucceededWithErrors}
	}
	return &jobs.Run{Outcome: wire.Failed}
}

// percentWord formats a fraction, or a dash if it is not known.
func (l look) percentWord(known bool, fraction float64) string {
	switch {
	case known:
		return fmt.Sprintf("%d%%", int(fraction*100))
	case l.ascii:
		return "-"
	}
	return "–"
}

// ageWord formats an age in at most 4 characters: 59s, 12m, 47h, 30d.
func ageWord(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 1000*24*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return "old"
}

// leftWord formats the time left in at most 6 characters: 59s, 1m05s, 1h02m,
// 30d00h. It returns "" for 0, which means unknown.
func leftWord(seconds int64) string {
	switch {
	case seconds <= 0:
		return ""
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	case seconds < 24*3600:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60)
	}
	return fmt.Sprintf("%dd%02dh", seconds/(24*3600), seconds/3600%24)
}

// rateWord formats a rate in at most 10 characters: 999 B/s, 58.6 KiB/s, 586 KiB/s. It
// returns "" for 0.
func rateWord(n int64) string {
	if n <= 0 {
		return ""
	}
	return sizeWord(n) + "/s"
}

// sizeWord formats bytes in at most 8 characters.
func sizeWord(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", max(0, n))
	}
	v := float64(n)
	for _, unit := range "KMGTP" {
		switch v /= 1024; {
		case v < 99.95:
			return fmt.Sprintf("%.1f %ciB", v, unit)
		case v < 999.5:
			return fmt.Sprintf("%.0f %ciB", v, unit)
		}
	}
	return fmt.Sprintf("%.1f EiB", v/1024)
}

// countWord formats a count in at most 5 characters: 9999, 82k, 100M.
func countWord(n int) string {
	switch {
	case n < -999:
		return "?"
	case n < 10_000:
		return fmt.Sprint(n)
	case n < 10_000_000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprintf("%dM", min(n/1_000_000, 9999))
}

// ofWord formats done of total in one unit, or only done if the total is unknown.
func ofWord(done, total int) string {
	switch {
	case total >= 10_000 && done >= 1000 && done < 10_000:
		return fmt.Sprintf("%dk/%s", done/1000, countWord(total))
	case total > 0:
		return countWord(done) + "/" + countWord(total)
	case done > 0:
		return countWord(done)
	}
	return ""
}

// clock formats the time of day, with the date if it is not today's.
func clock(t, now time.Time, loc *time.Location) string {
	t, now = t.In(loc), now.In(loc)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("Jan 2 15:04")
}

func jobName(j *jobs.Job) string {
	return nameWord(j.Name, j.ID, j.Run.DryRun)
}

// nameWord returns the name of a job, or its ID, with a mark in front if the run is
// a dry run.
func nameWord(name string, id uuid.UUID, dryRun bool) string {
	if name = output.Clean(name); name == "" {
		name = id.String()
	}
	if dryRun {
		return output.DryRun + " " + name
	}
	return name
}

func severityWord(s wire.Severity) (style, word string) {
	switch {
	case s >= wire.SeverityError:
		return red, "error"
	case s == wire.SeverityWarning:
		return yellow, "warning"
	}
	return dim, "note"
}
