package screen

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// Bounds of the widths of the table.
const (
	leastName = 24 // a name is not cut below this before numbers go
	mostName  = 64 // so that one long name does not take the room from the rest
	leastBar  = 6
	mostBar   = 20
	leastNote = 16
	leastWhy  = 10
)

// lastOptional is the last column to go before a name is cut. The others go before a name
// is cut below leastName.
const lastOptional = 9

// column is a column of the table of jobs, to the right of the name.
type column struct {
	title   string
	width   int // of the widest text in the column
	right   bool
	numbers bool  // the reason of a failure takes its place
	live    bool  // but not on a wide screen if the job runs again
	goes    int   // without enough room, the lowest goes first; 0 stays
	sorts   order // the order that goes by this column; byName for none
	text    func(*entry) (style, text string)
}

// Titles that the table looks for.
const (
	titleState = "STATE"
	titleBar   = "BAR" // not drawn
)

// table draws the rows of jobs.
type table struct {
	*drawing
	columns []*column // those that fit
	gap     int
	name    int // width of names
	note    int // width of what a job works on; 0 for none
}

// newTable fits the columns into the width of the screen.
func (d *drawing) newTable() *table {
	t := &table{drawing: d, columns: d.columns(), gap: 1}
	if d.wide() {
		t.gap = 2
	}
	for _, e := range d.m.rows[d.top:min(len(d.m.rows), d.top+d.height)] {
		why := t.whyOf(e)
		for _, c := range t.columns {
			if why != "" && t.gives(c, e) {
				continue
			}
			_, text := c.text(e)
			c.width = max(c.width, width.String(text))
		}
	}
	for _, c := range t.columns { // widths only grow, so that the columns do not move
		if d.m.widths == nil || d.m.widthsFor != d.cols {
			d.m.widths, d.m.widthsFor = make(map[string]int), d.cols
		}
		c.width = max(c.width, d.m.widths[c.title])
		d.m.widths[c.title] = c.width
	}
	t.removeEmpty()
	usual, longest := d.names()
	most := min(mostName, d.cols/2)
	want := min(usual, most)
	for t.free() < want && t.remove(lastOptional) {
	}
	for t.free() < min(want, leastName) && t.remove(math.MaxInt) {
	}
	t.name = max(0, min(longest, most, t.free()))
	rest := t.free() - t.name
	if bar := t.column(titleBar); bar != nil {
		grown := min(rest, mostBar-leastBar)
		bar.width += grown
		rest -= grown
	}
	if rest -= t.gap; rest >= leastNote {
		t.note = rest
	}
	return t
}

// wide reports whether there is room for longer words.
func (d *drawing) wide() bool { return d.cols >= 100 }

// names returns the width that nine of ten names do not exceed, and the longest width.
func (d *drawing) names() (usual, longest int) {
	var names [mostName + 1]int
	longest = len("JOB")
	for _, e := range d.m.rows {
		names[min(e.cols, mostName)]++
		longest = max(longest, e.cols)
	}
	over := len(d.m.rows) / 10
	for n := mostName; n > len("JOB"); n-- {
		if over -= names[n]; over < 0 {
			return n, longest
		}
	}
	return len("JOB"), longest
}

// free returns the width that is left for names.
func (t *table) free() int {
	free := t.cols
	for _, c := range t.columns {
		free -= t.gap + c.width
	}
	return free
}

func (t *table) column(title string) *column {
	for _, c := range t.columns {
		if c.title == title {
			return c
		}
	}
	return nil
}

// remove removes the column that goes first, if its goes is at most limit, and reports
// whether there was one.
func (t *table) remove(limit int) bool {
	first := -1
	for i, c := range t.columns {
		if c.goes > 0 && c.goes <= limit && (first < 0 || c.goes < t.columns[first].goes) {
			first = i
		}
	}
	if first >= 0 {
		t.columns = slices.Delete(t.columns, first, first+1)
	}
	return first >= 0
}

// removeEmpty removes the numbers of warnings and errors while there are none.
func (t *table) removeEmpty() {
	kept := t.columns[:0:0]
	for _, c := range t.columns {
		if c.width > 0 {
			c.width = max(c.width, len(c.title))
			if c.title == titleBar {
				c.width = leastBar
			}
			kept = append(kept, c)
		}
	}
	t.columns = kept
}

func (d *drawing) columns() []*column {
	short, success := !d.wide(), "OK"
	if !short {
		success = "LAST OK"
	}
	count := func(style string, n func(*wire.Progress) int) func(*entry) (string, string) {
		return func(e *entry) (string, string) { return style, someWord(n(&e.job.Run.Progress)) }
	}
	list := []*column{
		{title: titleState, width: len("transferring"), sorts: byState, text: func(e *entry) (string, string) { return d.stateOf(e, short) }},
		{title: titleBar, numbers: true, live: true, sorts: byName, width: leastBar, goes: 6, text: func(*entry) (string, string) { return plain, "" }},
		{title: "DONE", numbers: true, live: true, sorts: byName, width: len("100%"), right: true, goes: 17, text: func(e *entry) (string, string) {
			return plain, d.look.percentWord(e.job.Run.Known, e.job.Run.Fraction)
		}},
		{title: "PKG", numbers: true, sorts: byName, right: true, width: len("PKG"), goes: 4, text: func(e *entry) (string, string) {
			return plain, ofWord(e.job.Run.Progress.PackagesDone, e.job.Run.Progress.PackagesTotal)
		}},
		{title: "FILES", numbers: true, sorts: byName, right: true, width: len("FILES"), goes: 1, text: func(e *entry) (string, string) {
			return plain, ofWord(e.job.Run.Progress.FilesDone, e.job.Run.Progress.FilesTotal)
		}},
		{title: "SIZE", numbers: true, right: true, width: len("99.9 MiB"), goes: 2, sorts: bySize, text: func(e *entry) (string, string) {
			if n := sizeOf(&e.job.Run.Progress); n > 0 {
				return plain, sizeWord(n)
			}
			return plain, ""
		}},
		{title: "RATE", numbers: true, sorts: byName, right: true, width: len("99.9 MiB/s"), goes: 7, text: func(e *entry) (string, string) { return plain, rateWord(e.job.Run.Rate) }},
		{title: "LEFT", numbers: true, live: true, right: true, width: len("59m59s"), goes: 16, sorts: byLeft, text: func(e *entry) (string, string) { return plain, leftWord(e.job.Run.TimeLeft) }},
		{title: "WARN", numbers: true, live: true, sorts: byName, right: true, goes: 3, text: count(yellow, func(p *wire.Progress) int { return p.Warnings })},
		{title: "ERR", numbers: true, live: true, sorts: byName, right: true, goes: 5, text: count(red, func(p *wire.Progress) int { return p.Errors })},
		{title: success, right: true, width: len("59s"), goes: 9, sorts: bySuccess, text: d.successOf},
		{title: "AGO", sorts: byName, right: true, width: len("59s"), goes: 8, text: func(e *entry) (string, string) {
			return dim, ageWord(d.m.now.Sub(e.job.Run.LastChange))
		}},
	}
	if !short {
		list[0].width = len("transfer failed")
	}
	if d.several() {
		server := &column{title: "SERVER", sorts: byName, width: len("SERVER"), text: func(e *entry) (string, string) {
			return plain, d.look.clip(d.m.names[e.server], max(8, d.cols/7))
		}}
		list = append([]*column{server}, list...)
	}
	return list
}

// stateOf describes how the run of a job stands. It has a mark, and no colour, if the
// server is away.
func (d *drawing) stateOf(e *entry, short bool) (style, text string) {
	word := e.stateWord(short)
	if d.m.away(e.server) {
		return dim, staleMark + word
	}
	if e.again() {
		return standingOf(badRun(e.bad)).style, word
	}
	return standingOf(&e.job.Run).style, word
}

// successOf says when the job last succeeded. More than a day ago is worth a colour.
func (d *drawing) successOf(e *entry) (style, text string) {
	last := e.success()
	if last.IsZero() {
		return dim, d.look.either("–", "-")
	}
	age := d.m.now.Sub(last)
	if age > staleTime {
		return yellow, ageWord(age)
	}
	return dim, ageWord(age)
}

// someWord formats a count if it is positive.
func someWord(n int) string {
	if n <= 0 {
		return ""
	}
	return countWord(n)
}

func (t *table) head() {
	l := t.row()
	style := dim
	if t.m.list.order == byName {
		style = bold
	}
	l.cell(style, "JOB", t.name, 1)
	for _, c := range t.columns {
		l.space(t.gap)
		if c.title == titleBar {
			l.space(c.width)
			continue
		}
		style := dim
		if c.sorts != byName && c.sorts == t.m.list.order {
			style = bold
		}
		l.cell(style, c.title, c.width, c.align())
	}
	if t.note > 0 {
		l.space(t.gap)
		l.add(dim, "WORKS ON")
	}
	t.put(l)
}

func (c *column) align() int {
	if c.right {
		return -1
	}
	return 1
}

// job draws the row of a job. If the run has failed or met errors, the reason takes the
// place of the numbers.
func (t *table) job(e *entry, selected bool) {
	l := t.row()
	if selected && t.keys {
		l.base = reverse
	}
	style := plain
	if e.job.Run.Running || e.class <= classErrors {
		style = bold
	}
	l.cell(style, t.look.clip(e.name, t.name), t.name, 1)
	why := t.whyOf(e)
	for i := 0; i < len(t.columns); i++ {
		c := t.columns[i]
		l.space(t.gap)
		switch {
		case why != "" && t.gives(c, e):
			width := c.width
			for i+1 < len(t.columns) && t.gives(t.columns[i+1], e) {
				i++
				width += t.gap + t.columns[i].width
			}
			l.cell(plain, why, width, 1)
		case c.title == titleBar:
			style, _ := t.stateOf(e, true)
			l.cell(style, t.look.bar(e.job.Run.Fraction, c.width), c.width, 1)
		default:
			style, text := c.text(e)
			l.cell(style, text, c.width, c.align())
		}
	}
	if t.note > 0 {
		l.space(t.gap)
		l.cell(plain, workOf(&e.job.Run), t.note, 1)
	}
	t.put(l)
}

// gives reports whether a column gives its place in the row to the reason of a failure.
func (d *drawing) gives(c *column, e *entry) bool {
	return c.numbers && !(c.live && e.job.Run.Running && d.wide())
}

// whyOf returns why a job has failed or which error its run has met first, with the
// number of errors if there are several. If the job runs again and the screen is narrow,
// how much is done comes first. The numbers of any other running job are not replaced.
func (t *table) whyOf(e *entry) string {
	r, why, room := &e.job.Run, e.reason(), -t.gap
	for _, c := range t.columns {
		if t.gives(c, e) {
			room += t.gap + c.width
		}
	}
	switch {
	case why == "" || r.Running && !e.again() || room < leastWhy:
		return ""
	case r.Running && !t.wide():
		return fmt.Sprintf("%4s  %s", t.look.percentWord(r.Known, r.Fraction), why)
	case !e.again() && r.Progress.Errors > 1:
		return countWord(r.Progress.Errors) + t.look.either("×", "x") + " " + why
	}
	return why
}

// workOf says what a run works on.
func workOf(r *jobs.Run) string {
	switch {
	case !r.Running:
		return ""
	case len(r.InFlight) == 0:
		return output.Clean(r.Item)
	}
	p := &r.InFlight[0]
	return strings.TrimRight(fmt.Sprintf("#%d %s", p.Number, output.Clean(p.Item)), " ")
}
