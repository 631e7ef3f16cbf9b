package screen

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/momclient/jobs"
)

// layout arranges a view in lines:
//
//	the connection
//	the number of running jobs, and of the others by outcome
//
//	the table of jobs, with the packages in flight under their jobs
//	the number of jobs that do not fit
//
//	the latest warnings and errors
//
// Jobs have precedence over packages, and both have precedence over warnings and
// errors, except for the latest few.
type layout struct {
	look look
	loc  *time.Location
	keys bool // the key q quits
	only bool // -job is given, so there may be jobs that are not shown
	cols int
	rows int

	view  *board.View
	lines []string
}

// render returns at most rows lines of at most cols columns.
func (s *layout) render(v *board.View, cols, rows int) []string {
	s.view, s.cols, s.rows, s.lines = v, cols, rows, nil
	s.connection()
	s.counts()
	problems := s.problems()
	if len(v.Jobs) == 0 {
		s.put(s.row())
		s.empty()
	} else {
		s.jobs(s.room(len(problems)))
	}
	s.list(problems)
	return s.lines[:min(len(s.lines), rows)]
}

func (s *layout) row() *row { return &row{look: s.look, cols: s.cols} }

func (s *layout) put(l *row) { s.lines = append(s.lines, l.b.String()) }

// connection draws the server and the state of the connection.
func (s *layout) connection() {
	c, l := &s.view.Connection, s.row()
	l.add(bold, output.Clean(c.Server))
	if c.Connected {
		word := "connected"
		if c.State != "connected" {
			word = c.State
		}
		l.add(green, "  "+word)
		l.add(plain, " since "+clock(c.Since, s.view.Now, s.loc))
	} else {
		s.away(l)
	}
	l.add(plain, fmt.Sprintf("  resumed %d  ", c.Resumed))
	style := plain
	if c.Missed > 0 {
		style = yellow
	}
	l.add(style, fmt.Sprintf("missed %d", c.Missed))
	if c.Restarts > 0 {
		l.add(yellow, fmt.Sprintf("  restarted %d", c.Restarts))
	}
	l.right(dim, s.view.Now.In(s.loc).Format("15:04:05"))
	s.put(l)
	if c.Connected || c.Error == "" {
		return
	}
	l = s.row()
	l.add(red, output.Clean(c.Error))
	s.put(l)
}

// away draws since when the server is away, and when the next attempt is.
func (s *layout) away(l *row) {
	c := &s.view.Connection
	switch {
	case c.Final:
		l.add(red, "  refused for good")
		return
	case c.State == "connecting" || c.State == "":
		l.add(yellow, "  connecting")
		return
	case c.State == "closed":
		l.add(plain, "  closed")
		return
	case c.Epoch == uuid.Nil: // never connected
		l.add(red, "  not reached for "+ageWord(s.view.Now.Sub(c.Since)))
	default:
		l.add(red, "  lost for "+ageWord(s.view.Now.Sub(c.Since)))
	}
	if wait := c.NextTry.Sub(s.view.Now); wait > 0 {
		l.add(plain, fmt.Sprintf(", trying again in %ds", (wait+time.Second-1)/time.Second))
	} else {
		l.add(plain, ", trying again")
	}
}

// counts draws how many jobs run, or how they ended, and how to quit.
func (s *layout) counts() {
	l := s.row()
	for _, st := range standings {
		n := st.count(&s.view.Counts)
		if n == 0 {
			continue
		}
		if l.col > 0 {
			l.add(plain, ", ")
		}
		l.add(st.style, fmt.Sprintf("%d %s", n, st.word))
	}
	quit := "Ctrl-C quits"
	if s.keys {
		quit = "q quits"
	}
	l.right(dim, quit)
	s.put(l)
}

// empty draws why there is no job.
func (s *layout) empty() {
	c := &s.view.Connection
	text := "No job yet. A job appears here when its mirroring begins."
	switch {
	case !c.Connected && c.Final:
		text = "Correct the error above, and start again."
	case !c.Connected:
		text = "Is momserver running there? momclient goes on as soon as it answers."
	case s.only:
		text = "No job of -job yet. A job appears here when its mirroring begins."
	}
	l := s.row()
	l.add(plain, text)
	s.put(l)
}

// room returns the number of lines for the table.
func (s *layout) room(problems int) int {
	room := s.rows - len(s.lines) - 2 // for an empty line and the header
	if problems > 0 {
		room -= 2 + problems
	}
	return max(room, 1)
}

// jobs draws as many jobs as fit into n lines, packages in flight in the lines
// that are left, and the number of further jobs.
func (s *layout) jobs(n int) {
	all := s.view.Jobs
	shown := all
	if len(all) > n || s.view.Forgotten > 0 && len(all)+1 > n {
		shown = all[:max(0, n-1)]
	}
	s.put(s.row())
	t := s.newTable(shown)
	t.head()
	free := n - len(shown)
	if len(shown) < len(all) || s.view.Forgotten > 0 {
		free--
	}
	packages := s.share(shown, free)
	for i := range shown {
		t.job(&shown[i])
		s.packages(t, &shown[i], packages[i])
	}
	s.more(all[len(shown):])
}

// share distributes the lines for packages to the jobs in turn, one at a time.
func (s *layout) share(jobs []jobs.Job, free int) []int {
	lines := make([]int, len(jobs))
	for given := true; given && free > 0; {
		given = false
		for i := range jobs {
			if free > 0 && lines[i] < linesUnder(&jobs[i].Run) {
				lines[i]++
				free--
				given = true
			}
		}
	}
	return lines
}

// linesUnder returns how many lines the run could have under its job.
func linesUnder(r *jobs.Run) int {
	if scans(r) {
		return 1
	}
	return len(r.InFlight)
}

// packages draws the packages in flight in n lines. If they do not fit, the
// last line has the number of further packages.
func (s *layout) packages(t *table, j *jobs.Job, n int) {
	all := j.Run.InFlight
	if n == 0 {
		return
	}
	if scans(&j.Run) {
		t.scan(&j.Run)
		return
	}
	more := len(all) - n + j.Run.MoreInFlight
	if more > 0 {
		n--
		more++
	}
	for i := range n {
		t.pack(j, &all[i])
	}
	if more > 0 {
		l := s.row()
		l.add(dim, fmt.Sprintf("  %s and %s in flight", s.look.ellipsis(), output.Plural(more, "more package")))
		s.put(l)
	}
}

// more counts the jobs that are not shown.
func (s *layout) more(rest []jobs.Job) {
	if len(rest) == 0 && s.view.Forgotten == 0 {
		return
	}
	var counts jobs.Counts
	for i := range rest {
		counts.Add(&rest[i].Run)
	}
	var parts []string
	for _, st := range standings {
		if n := st.count(&counts); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, st.word))
		}
	}
	if s.view.Forgotten > 0 {
		parts = append(parts, fmt.Sprintf("%d forgotten", s.view.Forgotten))
	}
	l := s.row()
	l.add(dim, fmt.Sprintf("%s and %d more: %s", s.look.ellipsis(), len(rest)+s.view.Forgotten, strings.Join(parts, ", ")))
	s.put(l)
}
