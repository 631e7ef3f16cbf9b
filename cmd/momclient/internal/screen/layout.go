package screen

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/width"
)

// layout arranges a model in lines:
//
//	the server, or how many are connected; the address of the page
//	the number of jobs by how they stand; the rate and the time left of all
//	servers that are away; what else the user should know
//
//	the table of jobs
//
//	packages or the failure of the selected job; everything about an only job
//
//	the latest warnings and errors, at the bottom
//	the keys
//
// Below the first two lines, an open job or the help takes the whole screen.
type layout struct {
	look look
	loc  *time.Location
	keys bool // there are keys
	only bool // -job is given, so there may be jobs that are not shown
}

// frame is a drawn model.
type frame struct {
	lines   []string
	top     int   // the first row of the table that is on the screen
	height  int   // rows of the table or lines of the text that fit on the screen
	scroll  int   // the first line of the text that is on the screen
	scrolls int   // the largest scroll
	heads   []int // lines of the text that are headings
}

// drawing is a layout of a model for a size of the screen.
type drawing struct {
	*layout
	m          *model
	cols, rows int
	frame
}

// draw returns at most rows lines of at most cols columns.
func (s *layout) draw(m *model, cols, rows int) frame {
	d := &drawing{layout: s, m: m, cols: cols, rows: rows}
	d.height = 1
	d.title()
	d.counts()
	d.away()
	d.notices()
	below := rows - 1 // the line of keys
	if rows < 5 {
		below = rows
	}
	switch {
	case m.help:
		d.text(d.helpText(), below)
	case m.open && m.detailed() != nil:
		d.text(d.jobText(m.detailed()), below)
	default:
		d.table(below)
	}
	d.lines = d.lines[:min(len(d.lines), below)]
	if below < rows {
		for len(d.lines) < below {
			d.lines = append(d.lines, "")
		}
		d.bottom()
	}
	return d.frame
}

func (d *drawing) row() *row { return &row{look: d.look, cols: d.cols} }

func (d *drawing) put(l *row) { d.lines = append(d.lines, l.line()) }

// blank puts an empty line, if the screen has room for that.
func (d *drawing) blank() {
	if d.rows >= 12 {
		d.put(d.row())
	}
}

// several reports whether there are several servers, so that each job has the name of
// its own.
func (d *drawing) several() bool { return len(d.m.servers) > 1 }

// title draws the server with its state, the address of the page, and the time.
func (d *drawing) title() {
	l := d.row()
	if d.several() {
		d.servers(l)
	} else {
		c := &d.m.servers[0]
		l.add(bold, output.Clean(c.Server))
		d.state(l, c)
		d.stream(l, c.Resumed, c.Restarts, c.Missed)
	}
	clock := d.m.now.In(d.loc).Format("15:04:05")
	page, own := "", d.row()
	if d.m.page != "" {
		page = "page: " + output.Clean(d.m.page)
		own.add(cyan, page)
		if free := d.cols - l.col - 2 - width.String(page); free > 0 {
			if free > len(clock)+2 {
				page += "  " + clock
			}
			l.right(cyan, page)
			d.put(l)
			return
		}
	}
	l.right(dim, clock)
	d.put(l)
	if page != "" && d.rows >= 9 {
		d.put(own)
	}
}

// servers draws how many servers are connected.
func (d *drawing) servers(l *row) {
	connected, resumed, restarts, missed := 0, 0, 0, uint64(0)
	for i := range d.m.servers {
		c := &d.m.servers[i]
		if c.Connected {
			connected++
		}
		resumed, restarts, missed = resumed+c.Resumed, restarts+c.Restarts, missed+c.Missed
	}
	l.add(bold, fmt.Sprintf("%d servers", len(d.m.servers)))
	if connected == len(d.m.servers) {
		l.add(green, "  all connected")
	} else {
		l.add(red, fmt.Sprintf("  %d connected", connected))
	}
	d.stream(l, resumed, restarts, missed)
}

// stream draws what has happened to the stream of events, if anything has.
func (d *drawing) stream(l *row, resumed, restarts int, missed uint64) {
	if resumed > 0 {
		l.add(plain, fmt.Sprintf("  resumed %d", resumed))
	}
	if missed > 0 {
		l.add(yellow, fmt.Sprintf("  missed %d", missed))
	}
	if restarts > 0 {
		l.add(yellow, fmt.Sprintf("  restarted %d", restarts))
	}
}

// state draws the state of a connection.
func (d *drawing) state(l *row, c *board.Connection) {
	wait := ", trying again"
	if next := c.NextTry.Sub(d.m.now); next > 0 {
		wait = fmt.Sprintf(", trying again in %ds", (next+time.Second-1)/time.Second)
	}
	switch {
	case c.Connected:
		word := "connected"
		if c.State != "connected" {
			word = c.State
		}
		l.add(green, "  "+word)
		l.add(plain, " since "+clock(c.Since, d.m.now, d.loc))
	case c.Final:
		l.add(red, "  refused for good")
	case c.State == "connecting" || c.State == "":
		l.add(yellow, "  connecting")
	case c.State == "closed":
		l.add(plain, "  closed")
	case c.Epoch == uuid.Nil: // never connected
		l.add(red, "  not reached for "+ageWord(d.m.now.Sub(c.Since)))
		l.add(plain, wait)
	default:
		l.add(red, "  lost for "+ageWord(d.m.now.Sub(c.Since)))
		l.add(plain, wait)
	}
}

// away draws the errors of servers that are away. Of several servers, it draws each
// that is not simply connected, as far as there is room.
func (d *drawing) away() {
	room, more, stale := max(1, d.rows/6), 0, false
	for i := range d.m.servers {
		c := &d.m.servers[i]
		stale = stale || !c.Connected && c.Epoch != uuid.Nil
		if c.Connected && c.State == "connected" || !d.several() && c.Error == "" {
			continue
		}
		if room--; room < 0 {
			more++
			continue
		}
		l := d.row()
		if d.several() {
			l.add(bold, output.Clean(c.Name))
			d.state(l, c)
			if c.Error != "" {
				l.add(plain, ": ")
			}
		}
		if !c.Connected {
			l.add(red, output.Clean(c.Error))
		}
		d.put(l)
	}
	l := d.row()
	if more > 0 {
		l.add(red, "and "+output.Plural(more, "more server")+" not connected; ")
	}
	if stale && len(d.m.list.ranked) > 0 {
		l.add(yellow, "jobs with "+staleMark+" are not up to date")
	}
	if l.col > 0 {
		d.put(l)
	}
}

// staleMark is before the state of a job whose server is away.
const staleMark = "~"

// notices draws what the user should know beside the jobs.
func (d *drawing) notices() {
	if d.m.notice != "" {
		lines := wrap(output.Clean(d.m.notice), d.cols)
		for _, line := range lines[:min(len(lines), max(1, d.rows/8))] {
			l := d.row()
			l.add(yellow, line)
			d.put(l)
		}
	}
	for i := range d.m.receivers {
		r := &d.m.receivers[i]
		if r.Waiting == 0 || r.Error == "" && d.m.now.Sub(r.Oldest) < 10*time.Second { // that is on its way
			continue
		}
		l := d.row()
		l.add(yellow, fmt.Sprintf("%s for %s since %s", output.Plural(r.Waiting, "message")+" waiting", output.Clean(r.Receiver), clock(r.Oldest, d.m.now, d.loc)))
		if r.Error != "" {
			l.add(plain, ": "+output.Clean(r.Error))
		}
		d.put(l)
	}
}

// counts draws how the jobs stand, and on the right when all will be done.
func (d *drawing) counts() {
	l, t := d.row(), d.m.totals()
	for _, st := range standings {
		if n := st.count(&t.counts); n > 0 {
			if l.col > 0 {
				l.add(plain, ", ")
			}
			l.add(st.style, fmt.Sprintf("%d %s", n, st.word))
		}
	}
	if t.stale > 0 {
		l.add(yellow, fmt.Sprintf(", %d %s", t.stale, staleWord))
	}
	forgotten := 0
	for _, n := range d.m.forgot {
		forgotten += n
	}
	for _, e := range d.m.list.ranked { // the history has some of them
		if e.turn == 0 {
			forgotten--
		}
	}
	if forgotten > 0 {
		l.add(dim, fmt.Sprintf(", %d forgotten", forgotten))
	}
	for _, text := range []string{"all: " + t.text(), t.text()} {
		if t.text() != "" && l.right(bold, text) {
			break
		}
	}
	d.put(l)
}

// text describes the rate and the time left.
func (t *totals) text() string {
	var parts []string
	if t.rate > 0 {
		parts = append(parts, rateWord(t.rate))
	}
	switch {
	case t.left > 0 && t.over:
		parts = append(parts, "over "+leftWord(t.left)+" left")
	case t.left > 0:
		parts = append(parts, leftWord(t.left)+" left")
	}
	return strings.Join(parts, ", ")
}

// table draws the table of jobs, and what is below it, up to the line below.
func (d *drawing) table(below int) {
	if len(d.m.rows) == 0 {
		d.blank()
		d.empty()
		d.latest(below, len(d.m.problems.list))
		return
	}
	d.blank()
	least := d.leastProblems()
	room := below - len(d.lines) - 1 // without the head
	if least > 0 && room-least-2 >= 2 {
		room -= least + 2
	}
	room = max(1, room)
	n := min(room, len(d.m.rows))
	d.height = n
	d.top = window(d.m.top, d.m.row, len(d.m.rows), n)
	t := d.newTable()
	if d.rows >= 4 {
		t.head()
	}
	for i := d.top; i < d.top+n; i++ {
		t.job(d.m.rows[i], i == d.m.row)
	}
	if alone := d.m.detailed(); alone != nil {
		d.alone(alone, below)
		return
	}
	// The number of problems does not depend on what there is about the selected job,
	// so that they do not move whenever a package begins or ends.
	free := below - len(d.lines)
	problems := min(len(d.m.problems.list), max(least, (free-2)/2))
	if problems > 0 {
		free -= problems + 2
	}
	d.selected(free)
	d.latest(below, problems)
}

// alone draws everything about the only job below its row.
func (d *drawing) alone(e *entry, below int) {
	var text doc
	text.about(d, e)
	d.blank()
	for i := 0; i < len(text.lines) && len(d.lines) < below; i++ {
		l := d.row()
		text.lines[i](l)
		d.put(l)
	}
}

// selected draws what there is to know about the selected job, in at most n lines.
func (d *drawing) selected(n int) {
	e := d.m.current()
	if n < 3 || e == nil {
		return
	}
	var text doc
	text.brief(d, e)
	if len(text.lines) == 0 {
		return
	}
	d.blank()
	for i := range min(len(text.lines), n-1) {
		l := d.row()
		text.lines[i](l)
		d.put(l)
	}
}

// leastProblems returns the number of warnings and errors that always have room: a
// fifth of the screen.
func (d *drawing) leastProblems() int {
	if d.rows < 12 {
		return 0
	}
	return min(len(d.m.problems.list), d.rows/5)
}

// latest draws the latest n warnings and errors, as far as there is room, so that they
// end above the line below.
func (d *drawing) latest(below, n int) {
	if n = min(n, below-len(d.lines)-2); n <= 0 {
		return
	}
	for len(d.lines) < below-n-1 {
		d.put(d.row())
	}
	l := d.row()
	l.add(dim, "LATEST WARNINGS AND ERRORS")
	d.put(l)
	for _, p := range d.m.problems.list[:n] {
		l := d.row()
		d.problem(l, p)
		d.put(l)
	}
}

// problem draws a warning or an error.
func (d *drawing) problem(l *row, p *problem) {
	l.add(dim, fmt.Sprintf("%-8s  ", clock(p.Time, d.m.now, d.loc)))
	style, word := severityWord(p.Severity)
	l.cell(style, word, len("warning"), 1)
	l.space(2)
	if p.times > 1 {
		l.add(bold, countWord(p.times)+d.look.either("×", "x")+" ")
	}
	if d.several() {
		l.add(plain, d.look.clip(d.m.names[p.server], max(8, d.cols/7))+" ")
	}
	if p.JobID != uuid.Nil {
		l.add(bold, d.look.clip(nameWord(p.Job, p.JobID, p.DryRun), max(2*d.cols/5, leastName)))
		l.add(plain, ": ")
	}
	l.add(plain, errorText(p.Package, p.Item, p.Message))
}

// empty draws why there is no job.
func (d *drawing) empty() {
	text := "No job yet. A job appears here when its mirroring begins."
	switch c := &d.m.servers[0]; {
	case d.m.filter != "" && len(d.m.list.ranked) > 0:
		text = "No job has this name or state. Esc removes the filter."
	case d.several():
	case !c.Connected && c.Final:
		text = "Correct the error above, and start again."
	case !c.Connected:
		text = "Is momserver running there? momclient goes on as soon as it answers."
	case d.only:
		text = "No job of -job yet. A job appears here when its mirroring begins."
	}
	l := d.row()
	l.add(plain, text)
	d.put(l)
}

// bottom draws the last line: the keys, or the filter that is being typed.
func (d *drawing) bottom() {
	l := d.row()
	m := d.m
	place := ""
	if n := len(m.rows); !m.open && !m.help && n > 0 && (n > d.height || m.filter != "") {
		place = fmt.Sprintf("%d%s%d of %d", d.top+1, d.look.either("–", "-"), min(d.top+d.height, n), n)
	} else if d.scrolls > 0 {
		place = fmt.Sprintf("%d%%", 100*d.scroll/d.scrolls)
	}
	if m.paused {
		l.add(reverse, "PAUSED")
		l.add(plain, " ")
	}
	switch {
	case !d.keys:
		l.add(dim, "Ctrl-C quits")
	case m.typing:
		d.prompt(l, d.cols-width.String(place)-2)
	case m.help:
		d.hints(l, place, "Esc back", "q quit")
	case m.open:
		d.hints(l, place, "Tab next part", "p "+pauseWord(m), "Esc back", "? help", "q quit")
	default:
		if m.filter != "" {
			l.add(yellow, "filter: "+d.look.clip(output.Clean(m.filter), max(8, d.cols/4))+"  ")
			d.hints(l, place, "Enter open", "s sort: "+orderNames[m.list.order], "/ change", "p "+pauseWord(m), "Esc all", "? help", "q quit")
			break
		}
		d.hints(l, place, "Enter open", "/ filter", "s sort: "+orderNames[m.list.order], "p "+pauseWord(m), "? help", "q quit")
	}
	if place != "" {
		l.right(dim, place)
	}
	d.put(l)
}

func pauseWord(m *model) string {
	if m.paused {
		return "continue"
	}
	return "pause"
}

// hints draws the keys that fit beside place. The last ones are the most important.
func (d *drawing) hints(l *row, place string, hints ...string) {
	room := d.cols - l.col - width.String(place) - 1
	for len(hints) > 1 && width.String(strings.Join(hints, "  ")) > room {
		hints = hints[1:]
	}
	for i, hint := range hints {
		if i > 0 {
			l.space(2)
		}
		key, what, _ := strings.Cut(hint, " ")
		l.add(bold, key)
		l.add(dim, " "+what)
	}
}

// prompt draws the filter that is being typed, with a cursor. If it is too long, its
// end is shown.
func (d *drawing) prompt(l *row, room int) {
	text := output.Clean(d.m.filter)
	for width.String(text) > max(1, room-3) {
		n, _, _ := width.Next(text)
		text = text[n:]
	}
	l.add(bold, "/")
	l.add(plain, text)
	l.add(reverse, " ")
}
