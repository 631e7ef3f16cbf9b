package screen

import (
	"fmt"
	"io"
	"strings"
)

// Sequences around frames. The alternate screen leaves the normal one as it was.
// Lines do not wrap, so that none can push down the others. A terminal that
// supports synchronized updates shows only whole frames; any other ignores the
// marks of a frame. Pasted text gets marks, because its characters are no commands.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[H\x1b[2J"
	leaveScreen = "\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[m\x1b[?1049l"
	beginFrame  = "\x1b[?2026h"
	endFrame    = "\x1b[?2026l"
)

// painter draws each frame by one write, which has only the lines that have
// changed.
type painter struct {
	w          io.Writer
	cols, rows int
	last       []string // nil if the content of the screen is unknown
}

// paint draws the lines. It writes all of them if the size has changed, or if
// whole is set, because another program may have written on the terminal.
func (p *painter) paint(lines []string, cols, rows int, whole bool) error {
	var b strings.Builder
	b.WriteString(beginFrame)
	empty := b.Len()
	if p.last == nil || cols != p.cols || rows != p.rows {
		b.WriteString("\x1b[H\x1b[2J")
		p.last, whole = []string{}, true
	}
	for i := range rows {
		was, is := lineAt(p.last, i), lineAt(lines, i)
		if was == is && !whole {
			continue
		}
		// The line is erased first, because after a full line the column of the
		// cursor is undefined.
		fmt.Fprintf(&b, "\x1b[%d;1H\x1b[K%s", i+1, is)
	}
	p.last, p.cols, p.rows = lines, cols, rows
	if b.Len() == empty {
		return nil
	}
	b.WriteString(endFrame)
	_, err := io.WriteString(p.w, b.String())
	return err
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}
