package screen

import (
	"fmt"
	"strings"
	"time"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// Bounds of the text of a job.
const (
	maxRuns = 20
	maxLog  = 300
)

// doc is a text of lines, of which the screen shows a part. Each line is drawn only if
// it is on the screen.
type doc struct {
	lines []func(*row)
	heads []int // lines that are headings
}

func (t *doc) line(draw func(*row)) { t.lines = append(t.lines, draw) }

func (t *doc) plain(style, text string) { t.line(func(l *row) { l.add(style, text) }) }

// head begins a part of the text.
func (t *doc) head(text string) {
	if len(t.lines) > 0 {
		t.plain(plain, "")
	}
	t.heads = append(t.heads, len(t.lines))
	t.plain(dim, text)
}

// wrapped adds a text in as many lines as it needs, after a label.
func (t *doc) wrapped(cols int, label, style, text string) {
	const indent = 14
	for i, part := range wrap(text, max(10, cols-indent)) {
		t.line(func(l *row) {
			if i > 0 {
				label = ""
			}
			l.cell(dim, label, indent, 1)
			l.add(style, part)
		})
	}
}

// wrap divides a text into lines of at most cols columns, between words if possible.
func wrap(text string, cols int) (lines []string) {
	for width.String(text) > cols {
		end, taken, space := 0, 0, 0
		for end < len(text) {
			n, columns, _ := width.Next(text[end:])
			if taken += columns; taken > cols && end > 0 {
				break
			}
			end += n
			if text[end-n] == ' ' {
				space = end
			}
		}
		if end < len(text) && text[end] != ' ' && space > end/2 {
			end = space
		}
		lines = append(lines, strings.TrimRight(text[:end], " "))
		text = strings.TrimLeft(text[end:], " ")
	}
	return append(lines, text)
}

// text draws the part of t that the user has scrolled to, up to the line below.
func (d *drawing) text(t doc, below int) {
	d.blank()
	d.height = max(1, below-len(d.lines))
	d.scrolls = max(0, len(t.lines)-d.height)
	d.scroll, d.heads = min(d.m.scroll, d.scrolls), t.heads
	for _, draw := range t.lines[d.scroll:min(len(t.lines), d.scroll+d.height)] {
		l := d.row()
		draw(l)
		d.put(l)
	}
}

// jobText returns everything about a job.
func (d *drawing) jobText(e *entry) (t doc) {
	r := &e.job.Run
	for _, part := range wrap(e.name, d.cols) {
		t.plain(bold, part)
	}
	t.line(func(l *row) {
		style, word := d.stateOf(e, false)
		l.add(style, word)
		l.add(plain, "  "+d.look.percentWord(r.Known, r.Fraction)+"  ")
		l.add(style, d.look.bar(r.Fraction, min(mostBar, d.cols/4)))
		all := totals{rate: r.Rate, left: r.TimeLeft}
		l.add(plain, "  "+all.text())
	})
	t.plain(plain, "")
	if why := e.reason(); why != "" && !e.again() { // else it is that of the last failure
		t.wrapped(d.cols, "first error", red, why)
	}
	if r.SourcePath != "" {
		t.wrapped(d.cols, "from", plain, output.Clean(r.SourcePath))
	}
	if r.DestinationPath != "" {
		t.wrapped(d.cols, "to", plain, output.Clean(r.DestinationPath))
	}
	if d.several() {
		t.wrapped(d.cols, "server", plain, output.Clean(d.m.servers[e.server].Name))
	}
	what := output.Summary(&r.Progress)
	if n := r.Progress.BytesDone; n > 0 {
		what += ", " + sizeWord(n)
		if all := r.Progress.BytesTotal; all > n {
			what += " of " + sizeWord(all)
		}
	}
	t.wrapped(d.cols, "this run", plain, what)
	t.wrapped(d.cols, "began", plain, d.began(r))
	d.pastOf(&t, e)
	t.wrapped(d.cols, "job ID", plain, e.place.job.String())
	t.wrapped(d.cols, "run ID", plain, r.ID.String())
	t.about(d, e)
	return t
}

// began says when a run began, and how long it took.
func (d *drawing) began(r *jobs.Run) string {
	if r.Started.IsZero() {
		return "before the monitor did"
	}
	text := clock(r.Started, d.m.now, d.loc)
	switch {
	case r.Running:
		text += ", " + ageWord(d.m.now.Sub(r.Started)) + " ago"
	case !r.Ended.IsZero():
		text += ", and took " + tookWord(r.Ended.Sub(r.Started))
	}
	return text
}

// pastOf adds what people ask first about a job.
func (d *drawing) pastOf(t *doc, e *entry) {
	when := func(at time.Time) string {
		return clock(at, d.m.now, d.loc) + ", " + ageWord(d.m.now.Sub(at)) + " ago"
	}
	if last := e.success(); !last.IsZero() {
		text := when(last)
		if n := max(e.past.Idle, e.job.Idle); n > 0 {
			text += fmt.Sprintf(", with nothing to move for %s", output.Plural(n, "run"))
		}
		t.wrapped(d.cols, "last success", plain, text)
	}
	if p := &e.past; !p.LastChange.IsZero() {
		t.wrapped(d.cols, "last change", plain, fmt.Sprintf("%s: %s, %s", when(p.LastChange), output.Plural(p.ChangeFiles, "file"), sizeWord(p.ChangeBytes)))
	}
	if f := e.past.LastFailure; f != nil {
		text := when(f.Ended)
		if n := e.past.Failures; n > 1 {
			text += ", " + output.Plural(n, "time")
		}
		if why := reason(f); why != "" {
			text += ": " + why
		}
		t.wrapped(d.cols, "last failure", plain, text)
	}
}

// about adds the packages, the runs and the log of a job.
func (t *doc) about(d *drawing, e *entry) {
	if d.m.detail.of != e.place { // not fetched yet
		return
	}
	t.packages(d, e, d.m.detail.run.Packages)
	t.runs(d)
	if len(d.m.detail.log) == 0 {
		return
	}
	t.head("LOG")
	for _, p := range fold(d.m.detail.log) {
		t.entry(d, p)
	}
}

// entry adds an entry of the log, in as many lines as it needs.
func (t *doc) entry(d *drawing, p *problem) {
	const before = 19 // time and severity
	message := errorText(p.Package, p.Item, p.Message)
	if p.times > 1 {
		message = countWord(p.times) + d.look.either("×", "x") + " " + message
	}
	for i, part := range wrap(message, max(10, d.cols-before)) {
		t.line(func(l *row) {
			if i == 0 {
				style, word := severityWord(p.Severity)
				l.cell(dim, clock(p.Time, d.m.now, d.loc), 10, 1)
				l.cell(style, word, before-10, 1)
			}
			l.space(before - l.col)
			l.add(plain, part)
		})
	}
}

// packages adds the packages of the run that are unfinished or have failed, and the
// number of the others.
func (t *doc) packages(d *drawing, e *entry, all []jobs.Package) {
	r := &e.job.Run
	done := 0
	var shown []*jobs.Package
	for i := range all {
		if p := &all[i]; p.Open || p.State.IsError() {
			shown = append(shown, p)
		} else if p.State == wire.PackageCompleted {
			done++
		}
	}
	if len(shown) == 0 && done == 0 && !scans(r) {
		return
	}
	t.head("PACKAGES")
	if scans(r) {
		t.scan(r)
	}
	for _, p := range shown {
		t.line(func(l *row) { d.pack(l, e, p) })
	}
	if n := max(done, r.Progress.PackagesDone); n > 0 {
		t.plain(dim, output.Plural(n, "package")+" imported")
	}
}

// scan says what a run is scanning.
func (t *doc) scan(r *jobs.Run) {
	t.line(func(l *row) {
		if n := r.Progress.FilesChecked; n > 0 {
			l.add(plain, output.Plural(n, "file")+" checked  ")
		}
		l.add(plain, output.Clean(r.Item))
	})
}

// pack draws a package of a job.
func (d *drawing) pack(l *row, e *entry, p *jobs.Package) {
	number := fmt.Sprintf("#%d", p.Number)
	if n := e.job.Run.Progress.PackagesTotal; n >= p.Number {
		number += "/" + countWord(n)
	}
	style, _ := d.stateOf(e, true)
	if p.State.IsError() {
		style = red
	}
	l.cell(plain, number, max(9, len(number)+1), 1)
	l.cell(style, packageWord(p), len("transferring")+1, 1)
	done, size := 0.0, p.Received
	if p.FileSize > 0 {
		done, size = min(max(0, float64(p.Received)/float64(p.FileSize)), 1), p.FileSize
	}
	l.cell(style, d.look.bar(done, min(mostBar, d.cols/8)), min(mostBar, d.cols/8), 1)
	l.cell(plain, d.look.percentWord(p.FileSize > 0, done), 5, -1)
	l.cell(plain, sizeWord(size), 10, -1)
	if p.Item != "" {
		l.space(2)
		l.add(plain, d.look.clip(output.Clean(p.Item), max(1, d.cols-l.col)))
	}
}

// runs adds the last runs of the job that have ended.
func (t *doc) runs(d *drawing) {
	list := d.m.detail.lines
	if len(list) == 0 {
		return
	}
	t.head("RUNS")
	for _, r := range list[:min(len(list), maxRuns)] {
		t.line(func(l *row) { d.run(l, &r) })
	}
	more := d.m.detail.more
	for _, r := range list[min(len(list), maxRuns):] {
		more += max(1, r.Count)
	}
	if more > 0 {
		t.plain(dim, d.look.ellipsis()+" and "+output.Plural(more, "earlier run"))
	}
}

// run draws a run of the history.
func (d *drawing) run(l *row, r *runlog.Line) {
	l.cell(dim, clock(r.Ended, d.m.now, d.loc), 13, 1)
	st := standingOf(&jobs.Run{Outcome: r.Outcome, Lost: r.Lost})
	l.cell(st.style, st.word, len("with errors")+2, 1)
	if r.DryRun {
		l.add(plain, output.DryRun+" ")
	}
	if r.Count > 1 {
		l.add(bold, countWord(r.Count)+d.look.either("×", "x")+" ")
		l.add(plain, "since "+clock(r.Since, d.m.now, d.loc)+"  ")
	}
	if took := r.Took(); took > 0 && r.Count <= 1 {
		l.add(plain, "in "+tookWord(took)+"  ")
	}
	switch why := reason(&r.Run); {
	case why != "":
		l.add(plain, why)
	case r.Idle():
		l.add(plain, "nothing to move")
	default:
		l.add(plain, output.Plural(r.Files, "file")+", "+sizeWord(r.Bytes))
	}
}

// tookWord formats how long something took.
func tookWord(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return leftWord(int64(d / time.Second))
}

// brief adds what there is to know about the selected job: why it failed or which error
// it has met, what it scans, and which packages are in flight.
func (t *doc) brief(d *drawing, e *entry) {
	r := &e.job.Run
	why := e.reason()
	if why == "" && !scans(r) && len(r.InFlight) == 0 {
		return
	}
	t.head(d.look.clip(e.name, d.cols))
	if why != "" {
		for _, part := range wrap(why, d.cols) {
			t.plain(red, part)
		}
	}
	if scans(r) {
		t.scan(r)
	}
	for i := range r.InFlight {
		t.line(func(l *row) { d.pack(l, e, &r.InFlight[i]) })
	}
	if r.MoreInFlight > 0 {
		t.plain(dim, fmt.Sprintf("%s and %s", d.look.ellipsis(), output.Plural(r.MoreInFlight, "more package")))
	}
}

// helpText returns the help.
func (d *drawing) helpText() (t doc) {
	for _, part := range []struct {
		head  string
		lines [][2]string
	}{
		{"KEYS", [][2]string{
			{"up, down, k, j", "select a job"},
			{"PageUp, PageDown", "a page up or down"},
			{"Home, End, g, G", "the first or the last job"},
			{"Enter", "open the job: its first error, packages, runs and log"},
			{"Esc", "back; or remove the filter"},
			{"Tab", "the next part of an open job"},
			{"/", "filter: jobs with all the words in name, path, server or state"},
			{"", "stale: the jobs that have not succeeded for a day"},
			{"s", "sort by state, name, last success, time left, or size"},
			{"p", "pause the picture; the monitor goes on"},
			{"?", "this help"},
			{"q, Ctrl-C", "quit"},
		}},
		{"ORDER", [][2]string{
			{"state", "failed, lost, with errors, running, the rest"},
			{"", "a job that failed stays there while it runs again, until a run succeeds"},
			{"", "a row moves only if its job changes its group;"},
			{"", "while keys are pressed, only a failure moves a row"},
			{"last success", "the job that has not succeeded for the longest time is first"},
			{"time left, size", "longest or largest first; renewed while no key is pressed"},
		}},
		{"COLUMNS", [][2]string{
			{"PKG, FILES", "packages and files that are done, of all"},
			{"LEFT", "how long the run will still take"},
			{"OK, LAST OK", "how long ago the job last succeeded"},
			{"AGO", "how long ago the run last changed"},
			{staleMark, "the server is away, so the row is not up to date"},
		}},
	} {
		t.head(part.head)
		for _, line := range part.lines {
			t.line(func(l *row) {
				l.cell(bold, line[0], 18, 1)
				l.add(plain, line[1])
			})
		}
	}
	return t
}
