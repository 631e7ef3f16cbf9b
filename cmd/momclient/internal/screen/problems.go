package screen

import (
	"fmt"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// problems returns the warnings and errors that always have room: a fifth of
// the screen.
func (s *layout) problems() []jobs.LogEntry {
	return s.view.Problems[:min(len(s.view.Problems), max(s.rows/5, 1))]
}

// list draws the problems, and more of them if lines are left.
func (s *layout) list(problems []jobs.LogEntry) {
	if free := s.rows - len(s.lines) - 2; free > len(problems) {
		problems = s.view.Problems[:min(free, len(s.view.Problems))]
	}
	if len(problems) == 0 {
		return
	}
	s.put(s.row())
	l := s.row()
	l.add(dim, "LATEST WARNINGS AND ERRORS")
	s.put(l)
	for i := range problems {
		s.problem(&problems[i])
	}
}

func (s *layout) problem(e *jobs.LogEntry) {
	l := s.row()
	l.add(dim, fmt.Sprintf("%-8s  ", clock(e.Time, s.view.Now, s.loc)))
	style, word := yellow, "warning"
	if e.Severity >= wire.SeverityError {
		style, word = red, "error"
	}
	l.cell(style, word, len("warning"), 1)
	l.space(2)
	// A long name is clipped, so that the message has room.
	if e.JobID != uuid.Nil {
		where, _ := width.Clip(nameWord(e.Job, e.JobID, e.DryRun), max(s.cols/4, minName), s.look.ellipsis())
		l.add(bold, where)
		if e.Package > 0 {
			l.add(bold, fmt.Sprintf(" #%d", e.Package))
		}
		l.add(plain, ": ")
	}
	if e.Item != "" {
		item, _ := width.Clip(output.Clean(e.Item), max(s.cols/3, minName), s.look.ellipsis())
		l.add(plain, item+": ")
	}
	l.add(plain, output.Clean(e.Message))
	s.put(l)
}
