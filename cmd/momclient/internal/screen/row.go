package screen

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"mom.internal/cmd/momclient/internal/width"
)

// Styles, as parameters of the sequence SGR.
const (
	plain   = ""
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	cyan    = "36"
	magenta = "35"
)

// look is the range of what the terminal can draw.
type look struct {
	color bool // false under NO_COLOR; all that matters is in the words, too
	ascii bool // the terminal may not draw characters beyond ASCII
}

// newLook returns the look for the environment. If that names no character set,
// newLook assumes UTF-8.
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

// bar draws a fraction in n columns. The bar is full only if the fraction is 1.
func (l look) bar(fraction float64, n int) string {
	done, todo := "█", "░"
	if l.ascii {
		done, todo = "#", "-"
	}
	full := min(max(0, int(fraction*float64(n))), n)
	return strings.Repeat(done, full) + strings.Repeat(todo, n-full)
}

// row builds one line of the screen. Text that does not fit is cut off.
type row struct {
	look look
	cols int // columns of the screen
	col  int // columns that are taken
	b    strings.Builder
}

// add appends text in a style. The text must be clean.
func (l *row) add(style, text string) { l.cell(style, text, l.cols-l.col, 0) }

// cell appends text in n columns. Longer text is clipped. Shorter text is
// filled up with spaces: at its end if align is positive, before it if align is
// negative, not at all if align is 0. If terminals may differ on the width of
// the text, cell moves the cursor to the next column by its number.
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

// right puts text at the right end, if there is room.
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

// code returns the style without a colour that must not be drawn.
func (l look) code(style string) string {
	if !l.color && len(style) == 2 {
		return ""
	}
	return style
}

// uncertain reports whether terminals may differ on the width of text: if it
// has characters beyond Latin, Greek and Cyrillic letters and those that the
// layout itself draws.
func uncertain(text string) bool {
	for _, r := range text {
		if r >= 0x300 && r < 0x370 || r > 0x52f && r != '…' && r != '–' && r != '█' && r != '░' || r == utf8.RuneError {
			return true
		}
	}
	return false
}
