package screen

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"mom.internal/cmd/momclient/internal/width"
)

// Styles, as SGR has them.
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// look is how the monitor may draw.
type look struct {
	color bool // false under NO_COLOR: what matters is said in words, too
	ascii bool // no character that a terminal without UTF-8 could not draw
}

// newLook returns what the environment wants. Where it says nothing of the
// character set, it is UTF-8.
func newLook(getenv func(string) string) look {
	l := look{color: getenv("NO_COLOR") == ""}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(getenv(name)); value != "" {
			l.ascii = !strings.Contains(value, "utf-8") && !strings.Contains(value, "utf8")
			break
		}
	}
	return l
}

func (l look) ellipsis() string {
	if l.ascii {
		return "..."
	}
	return "…"
}

// bar draws how much is done in n columns. It is full only where all is done.
func (l look) bar(fraction float64, n int) string {
	done, todo := "█", "░"
	if l.ascii {
		done, todo = "#", "-"
	}
	full := min(max(0, int(fraction*float64(n))), n)
	return strings.Repeat(done, full) + strings.Repeat(todo, n-full)
}

// row is one line of the screen in the making. What does not fit is cut off.
type row struct {
	look look
	cols int // of the screen
	col  int // taken
	b    strings.Builder
}

// add appends text, which is clean, in a style.
func (l *row) add(style, text string) { l.cell(style, text, l.cols-l.col, 0) }

// cell appends text in n columns: cut where it is longer, filled up at its end
// where align is 0 or more, else before it. After characters of which a
// terminal may think differently, the next column is gone to by its number.
func (l *row) cell(style, text string, n, align int) {
	n = min(n, l.cols-l.col)
	if n <= 0 {
		return
	}
	text, taken := width.Clip(text, n, l.look.ellipsis())
	fill := strings.Repeat(" ", n-taken)
	if align < 0 {
		l.b.WriteString(fill)
	}
	if code := l.look.code(style); code != "" {
		l.b.WriteString("\x1b[" + code + "m" + text + "\x1b[m")
	} else {
		l.b.WriteString(text)
	}
	if align > 0 {
		l.b.WriteString(fill)
		taken = n
	} else if align < 0 {
		taken = n
	}
	l.col += taken
	if uncertain(text) && l.col < l.cols {
		fmt.Fprintf(&l.b, "\x1b[%dG", l.col+1)
	}
}

// right puts text at the right end, where there is room for it.
func (l *row) right(style, text string) {
	if free := l.cols - l.col - width.String(text); free > 0 {
		l.space(free)
		l.add(style, text)
	}
}

func (l *row) space(n int) {
	n = min(n, l.cols-l.col)
	l.b.WriteString(strings.Repeat(" ", max(0, n)))
	l.col += max(0, n)
}

// code returns the style as it may be drawn.
func (l look) code(style string) string {
	if !l.color && len(style) == 2 {
		return ""
	}
	return style
}

// uncertain reports whether terminals may differ on how wide text is: anything
// beyond Latin, Greek and Cyrillic letters and what the monitor itself draws.
func uncertain(text string) bool {
	for _, r := range text {
		if r >= 0x300 && r < 0x370 || r > 0x52f && r != '…' && r != '█' && r != '░' || r == utf8.RuneError {
			return true
		}
	}
	return false
}
