package screen

import (
	"fmt"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/momclient/jobs"
)

// column is a column of the table of jobs, to the right of the name.
type column struct {
	title string
	width int // of the widest text in the column
	right bool
	drop  int // without enough room, the column with the highest drop goes first; 0 stays
	text  func(*jobs.Job) (style, text string)
}

// Bounds of widths that depend on the content of the screen.
const (
	minName = 12
	minBar  = 8
	maxBar  = 30
)

// table draws the lines of jobs.
type table struct {
	s       *layout
	columns []*column
	gap     int // width between two columns
	name    int // width of names
	bar     int // width of bars
}

// newTable fits the columns to the jobs that are shown.
func (s *layout) newTable(jobs []jobs.Job) *table {
	t := &table{s: s, columns: s.columns(), gap: 1, name: len("  #10/10"), bar: minBar}
	if s.wide() {
		t.gap = 2
	}
	for i := range jobs {
		t.name = max(t.name, width.String(jobName(&jobs[i])))
		for _, c := range t.columns {
			_, text := c.text(&jobs[i])
			c.width = max(c.width, width.String(text))
		}
	}
	want := t.name
	for t.free() < min(want, minName) && t.dropOne() {
	}
	t.bar += min(max(0, t.free()-want)/2, maxBar-minBar)
	t.name = min(want, max(0, t.free()))
	return t
}

// free returns the width that is left for names.
func (t *table) free() int {
	free := t.s.cols
	for _, c := range t.columns {
		free -= t.gap + c.width
		if c.title == "DONE" {
			free -= t.bar + 1
		}
	}
	return free
}

func (t *table) dropOne() bool {
	worst := 0
	for i, c := range t.columns {
		if c.drop > t.columns[worst].drop {
			worst = i
		}
	}
	if t.columns[worst].drop == 0 {
		return false
	}
	t.columns = append(t.columns[:worst], t.columns[worst+1:]...)
	return true
}

func (s *layout) columns() []*column {
	short := !s.wide()
	list := []*column{
		{title: "STATE", text: func(j *jobs.Job) (string, string) { return s.runStyle(&j.Run), stateWord(&j.Run, short) }},
		{title: "DONE", right: true, text: func(j *jobs.Job) (string, string) {
			return plain, s.look.percentWord(j.Run.Known, j.Run.Fraction)
		}},
		{title: "PKG", right: true, drop: 3, text: func(j *jobs.Job) (string, string) {
			return plain, ofWord(j.Run.Progress.PackagesDone, j.Run.Progress.PackagesTotal)
		}},
		{title: "FILES", right: true, drop: 4, text: func(j *jobs.Job) (string, string) {
			return plain, ofWord(j.Run.Progress.FilesDone, j.Run.Progress.FilesTotal)
		}},
		{title: "RATE", right: true, drop: 5, text: func(j *jobs.Job) (string, string) { return plain, rateWord(j.Run.Rate) }},
		{title: "LEFT", right: true, drop: 2, text: func(j *jobs.Job) (string, string) { return plain, leftWord(j.Run.TimeLeft) }},
		{title: "W", right: true, drop: 6, text: func(j *jobs.Job) (string, string) { return yellow, someWord(j.Run.Progress.Warnings) }},
		{title: "E", right: true, drop: 7, text: func(j *jobs.Job) (string, string) { return red, someWord(j.Run.Progress.Errors) }},
		{title: "AGO", right: true, drop: 1, text: func(j *jobs.Job) (string, string) {
			return dim, ageWord(s.view.Now.Sub(j.Run.LastChange))
		}},
	}
	if !short {
		list[6].title, list[7].title = "WARN", "ERR"
	}
	for _, c := range list {
		c.width = max(len(c.title), steady[c.title])
	}
	if !short {
		list[0].width = len("transfer failed")
	}
	return list
}

// wide reports whether there is room for longer words.
func (s *layout) wide() bool { return s.cols >= 100 }

// steady has minimum widths for columns whose texts change all the time, so
// that the columns do not move.
var steady = map[string]int{"STATE": len("transferring"), "DONE": len("100%"), "RATE": len("58.6K/s"), "LEFT": len("59m59s")}

// someWord formats a count if it is positive.
func someWord(n int) string {
	if n <= 0 {
		return ""
	}
	return countWord(n)
}

// runStyle returns the colour of a run. An unfinished run has none while the
// server is away.
func (s *layout) runStyle(r *jobs.Run) string {
	if r.Running && !s.view.Connection.Connected {
		return dim
	}
	return standingOf(r).style
}

func (t *table) head() {
	l := t.s.row()
	l.cell(dim, "JOB", t.name, 1)
	for _, c := range t.columns {
		l.space(t.gap)
		n := c.width
		if c.title == "DONE" {
			l.cell(dim, c.title, t.bar+1+n, 1)
			continue
		}
		l.cell(dim, c.title, n, c.align())
	}
	t.s.put(l)
}

func (c *column) align() int {
	if c.right {
		return -1
	}
	return 1
}

func (t *table) job(j *jobs.Job) {
	l := t.s.row()
	style := plain
	if j.Run.Running {
		style = bold
	}
	l.cell(style, jobName(j), t.name, 1)
	for _, c := range t.columns {
		style, text := c.text(j)
		l.space(t.gap)
		if c.title == "DONE" {
			l.cell(t.s.runStyle(&j.Run), t.s.look.bar(j.Run.Fraction, t.bar), t.bar, 1)
			l.space(1)
		}
		l.cell(style, text, c.width, c.align())
	}
	t.s.put(l)
}

// pack draws a package in flight under its job.
func (t *table) pack(j *jobs.Job, p *jobs.Package) {
	l := t.s.row()
	number := fmt.Sprintf("#%d", p.Number)
	if n := j.Run.Progress.PackagesTotal; n >= p.Number {
		number += "/" + countWord(n)
	}
	l.add(dim, "  ")
	l.cell(plain, number, max(t.name-2, width.String(number)), 1)
	l.space(t.gap)
	l.cell(t.s.runStyle(&j.Run), packageWord(p), t.columns[0].width, 1)
	l.space(t.gap)
	done, size := 0.0, p.Received
	if p.FileSize > 0 {
		done, size = min(max(0, float64(p.Received)/float64(p.FileSize)), 1), p.FileSize
	}
	l.cell(t.s.runStyle(&j.Run), t.s.look.bar(done, t.bar), t.bar, 1)
	l.cell(plain, t.s.look.percentWord(p.FileSize > 0, done), 1+t.columns[1].width, -1)
	l.add(plain, "  "+output.Size(max(0, size)))
	if p.Item != "" {
		l.add(plain, "  "+output.Clean(p.Item))
	}
	t.s.put(l)
}

// scan draws under a job what its run is scanning.
func (t *table) scan(r *jobs.Run) {
	l := t.s.row()
	l.add(dim, "  ")
	if n := r.Progress.FilesChecked; n > 0 {
		l.add(plain, output.Plural(n, "file")+" checked  ")
	}
	l.add(plain, output.Clean(r.Item))
	t.s.put(l)
}
