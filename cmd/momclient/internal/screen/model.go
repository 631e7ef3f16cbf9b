package screen

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// readingTime is how long after a key the user counts as reading.
const readingTime = 10 * time.Second

// maxFilter bounds the characters of the filter.
const maxFilter = 256

// model is what the screen shows, and what the user has chosen to see of it. Its
// methods draw nothing.
type model struct {
	// What there is to show. It does not change while the screen is paused.
	now       time.Time
	servers   []board.Connection
	names     []string // of the servers, without what all of them end in
	forgot    []int    // number of jobs that each board has forgotten
	list      *list
	problems  *problems
	receivers []notify.Status
	detail    detail // of the job that is open, or of the only one
	notice    string // about the names of -job
	page      string // address of the page; "" for none

	// What the user has chosen.
	selected place
	row      int // of the selected job in rows
	top      int // the first row on the screen
	height   int // rows on the screen
	filter   string
	typing   bool   // the keys edit the filter
	before   string // the filter before that
	paused   bool
	help     bool
	open     bool      // the selected job is open
	scroll   int       // the first line of the open job, or of the help
	scrolls  int       // the largest scroll
	heads    []int     // lines of the open job with a heading
	pressed  time.Time // when the last key was pressed

	rows []*entry // the jobs that the filter leaves

	// The widths of columns on a screen of widthsFor columns. Drawing lets them grow.
	widths    map[string]int
	widthsFor int
}

// detail is everything about one job.
type detail struct {
	of    place
	run   jobs.RunDetail
	log   []jobs.LogEntry // of all runs, the newest first
	lines []runlog.Line   // the last runs, the last one first
	more  int             // number of earlier runs
}

func newModel(servers int) *model {
	return &model{list: newList(), problems: newProblems(), servers: make([]board.Connection, servers), forgot: make([]int, servers)}
}

// arrange sorts and filters the jobs. The selection follows its job. If no job is
// selected, the first row is. If the job is gone, the job in its place is selected.
func (m *model) arrange(now time.Time) {
	m.list.sort(now, m.paused || now.Sub(m.pressed) < readingTime)
	m.rows = m.list.filtered(m.filter)
	at := slices.IndexFunc(m.rows, func(e *entry) bool { return e.place == m.selected })
	switch {
	case m.selected == place{}:
		m.row = 0
	case at >= 0:
		m.row = at
	case m.open && m.list.entries[m.selected] != nil: // the filter does not hide what is open
	default:
		m.open = false
		m.move(m.row)
	}
}

// current returns the selected job, or nil if there is none.
func (m *model) current() *entry {
	if m.row < len(m.rows) {
		return m.rows[m.row]
	}
	return nil
}

// detailed returns the job whose details are on the screen, or nil if there is none.
func (m *model) detailed() *entry {
	switch {
	case m.open:
		return m.list.entries[m.selected]
	case len(m.list.ranked) == 1:
		return m.current()
	}
	return nil
}

// move selects a row. At the first row, no job is selected, so that the selection
// stays at the top.
func (m *model) move(row int) {
	m.row = max(0, min(row, len(m.rows)-1))
	m.selected = place{}
	if m.row > 0 {
		m.selected = m.rows[m.row].place
	}
}

// act does what a key stands for, and reports whether that is to quit.
func (m *model) act(k key, now time.Time) (quit bool) {
	m.pressed = now
	switch {
	case m.typing:
		m.edit(k)
	case k.paste:
	case m.help:
		return m.inText(k, func() { m.help = false })
	case m.open:
		return m.inText(k, m.closeJob)
	default:
		return m.inTable(k)
	}
	return false
}

// edit changes the filter by a key.
func (m *model) edit(k key) {
	switch k.name {
	case keyText:
		text := strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return ' '
			}
			if printable(r) == "" {
				return -1
			}
			return r
		}, strings.ToValidUTF8(k.text, ""))
		for room := maxFilter - utf8.RuneCountInString(m.filter); room > 0 && text != ""; room-- {
			_, n := utf8.DecodeRuneInString(text)
			m.filter, text = m.filter+text[:n], text[n:]
		}
	case keyBackspace:
		_, n := utf8.DecodeLastRuneInString(m.filter)
		m.filter = m.filter[:len(m.filter)-n]
	case keyClear:
		m.filter = ""
	case keyEnter:
		m.typing = false
	case keyEscape:
		m.typing, m.filter = false, m.before
	case keyUp, keyDown, keyPageUp, keyPageDown, keyHome, keyEnd:
		m.walk(k.name)
	}
	m.rows = m.list.filtered(m.filter)
}

// inTable does what a key stands for in the table of jobs.
func (m *model) inTable(k key) (quit bool) {
	switch k.name {
	case keyEnter:
		if e := m.current(); e != nil {
			m.open, m.scroll, m.selected = true, 0, e.place
		}
	case keyEscape:
		if m.filter != "" {
			m.filter = ""
		} else {
			m.move(0)
		}
	case keyText:
		return m.command(k.text)
	default:
		m.walk(k.name)
	}
	return false
}

// command does what a character stands for.
func (m *model) command(text string) (quit bool) {
	switch text {
	case "q", "Q":
		return true
	case "?", "h":
		m.help, m.scroll = true, 0
	case "p":
		m.paused = !m.paused
	}
	if m.help || m.open {
		return false
	}
	switch text {
	case "/":
		m.typing, m.before = true, m.filter
	case "s":
		m.list.by((m.list.order+1)%orders, m.pressed)
	case "k":
		m.walk(keyUp)
	case "j":
		m.walk(keyDown)
	case "g":
		m.walk(keyHome)
	case "G":
		m.walk(keyEnd)
	}
	return false
}

// walk moves the selection.
func (m *model) walk(k keyName) {
	page := max(1, m.height-1)
	switch k {
	case keyUp:
		m.move(m.row - 1)
	case keyDown:
		m.move(m.row + 1)
	case keyPageUp:
		m.move(m.row - page)
	case keyPageDown:
		m.move(m.row + page)
	case keyHome:
		m.move(0)
	case keyEnd:
		m.move(len(m.rows) - 1)
	}
}

// inText does what a key stands for in a text that can be scrolled. back leaves it.
func (m *model) inText(k key, back func()) (quit bool) {
	name := k.name
	if name == keyText {
		name = map[string]keyName{"k": keyUp, "j": keyDown, " ": keyPageDown, "g": keyHome, "G": keyEnd}[k.text]
	}
	page := max(1, m.height-1)
	switch name {
	case keyUp:
		m.scroll--
	case keyDown:
		m.scroll++
	case keyPageUp:
		m.scroll -= page
	case keyPageDown:
		m.scroll += page
	case keyHome:
		m.scroll = 0
	case keyEnd:
		m.scroll = m.scrolls
	case keyTab: // the next heading
		at := slices.IndexFunc(m.heads, func(line int) bool { return line > m.scroll && m.scroll < m.scrolls })
		if m.scroll = 0; at >= 0 {
			m.scroll = m.heads[at]
		}
	case keyEscape, keyBackspace:
		back()
		return false
	case keyEnter:
		if m.help {
			back()
		}
	case keyText:
		if k.text == "?" && m.help {
			back()
			return false
		}
		return m.command(k.text)
	}
	m.scroll = max(0, min(m.scroll, m.scrolls))
	return false
}

func (m *model) closeJob() {
	m.open, m.scroll = false, 0
	m.move(m.row)
}

// window returns the first of total rows that are on a screen of height rows: top,
// unless the row that is selected would not be on the screen.
func window(top, row, total, height int) int {
	top = min(top, row, max(0, total-height))
	return max(top, row-height+1, 0)
}

// totals are the figures of all running jobs together.
type totals struct {
	counts jobs.Counts
	rate   int64
	left   int64 // seconds until the last of them ends; 0 if that is unknown
	stale  int
	over   bool // of some, the time left is unknown
}

func (m *model) totals() (t totals) {
	for _, e := range m.list.ranked {
		r := &e.job.Run
		t.counts.Add(r)
		if e.again() {
			t.counts.Add(badRun(e.bad)) // beside the running or cancelled one
		}
		if e.stale(m.now) {
			t.stale++
		}
		if !r.Running {
			continue
		}
		t.rate += r.Rate
		t.left = max(t.left, r.TimeLeft)
		t.over = t.over || r.TimeLeft == 0
	}
	return t
}

// away reports whether the events of a server do not come.
func (m *model) away(server int) bool { return !m.servers[server].Connected }

// take adds what the boards have that have changed; the view of any other is nil.
func (m *model) take(boards []*board.Board, views []*board.View, now time.Time) {
	m.now = now
	for i, v := range views {
		b := boards[i]
		if v != nil {
			m.servers[i], m.forgot[i] = v.Connection, v.Forgotten
			m.names = shortNames(m.servers)
			name := ""
			if len(boards) > 1 {
				name = b.Name()
			}
			m.list.board(i, name, v, func(job uuid.UUID) []jobs.LogEntry { return b.Log(job, wire.SeverityError, 0) })
			m.problems.add(i, v.Problems, func() []jobs.LogEntry { return b.Log(uuid.Nil, wire.SeverityWarning, 0) }, now)
		}
	}
}

// look fetches the details of the job that is shown alone, if there is one.
func (m *model) look(boards []*board.Board, runs *runlog.Log) {
	e := m.detailed()
	if e == nil {
		m.detail = detail{}
		return
	}
	b := boards[e.server]
	d := detail{of: e.place}
	d.run, _ = b.Run(e.job.Run.ID)
	d.log = b.Log(e.place.job, 0, maxLog)
	if runs != nil {
		d.lines, d.more = runs.Lines(runlog.Key{Server: b.Name(), Job: e.place.job})
	}
	m.detail = d
}

// drawn takes over what the last frame has found out about the size of the screen.
func (m *model) drawn(f *frame) {
	m.height = f.height
	if m.help || m.open {
		m.scroll, m.scrolls, m.heads = f.scroll, f.scrolls, f.heads
	} else {
		m.top = f.top
	}
}

// shortNames returns the names of the servers without a domain or a port that all of
// them have.
func shortNames(servers []board.Connection) []string {
	names := make([]string, len(servers))
	for i := range servers {
		names[i] = output.Clean(servers[i].Name)
	}
	if len(names) < 2 {
		return names
	}
	common := names[0]
	for _, name := range names[1:] {
		for !strings.HasSuffix(name, common) {
			_, n := utf8.DecodeRuneInString(common)
			common = common[n:]
		}
	}
	at := strings.IndexAny(common, ".:")
	if at < 0 || slices.ContainsFunc(names, func(name string) bool { return len(name) == len(common)-at }) {
		return names
	}
	for i, name := range names {
		names[i] = name[:len(name)-len(common)+at]
	}
	return names
}
