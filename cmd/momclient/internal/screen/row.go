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
	reverse = "7"
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

func (l look) ellipsis() string { return l.either("…", "...") }

// either returns the first text, or ascii if the terminal may not draw that.
func (l look) either(text, ascii string) string {
	if l.ascii {
		return ascii
	}
	return text
}

// clip cuts the middle out of a text that has more than n columns, because similar
// names often differ only at their ends.
func (l look) clip(text string, n int) string {
	ellipsis := l.ellipsis()
	if width.String(text) <= n {
		return text
	}
	if n < width.String(ellipsis)+2 {
		text, _ = width.Clip(text, n, ellipsis)
		return text
	}
	tail, taken := "", 0
	for room := (n - width.String(ellipsis)) / 2; ; {
		r, size := utf8.DecodeLastRuneInString(text[:len(text)-len(tail)])
		if taken += width.Rune(r); taken > room {
			break
		}
		tail = text[len(text)-len(tail)-size:]
	}
	for tail != "" { // what belongs to the character before it is no beginning
		r, size := utf8.DecodeRuneInString(tail)
		if width.Rune(r) > 0 {
			break
		}
		tail = tail[size:]
	}
	head, _ := width.Clip(text, n-width.String(tail), ellipsis)
	return head + tail
}

// bar draws a fraction in n columns. The bar is full only if the fraction is 1.
func (l look) bar(fraction float64, n int) string {
	full := min(max(0, int(fraction*float64(n))), n)
	return strings.Repeat(l.either("█", "#"), full) + strings.Repeat(l.either("░", "-"), n-full)
}

// row builds one line of the screen. Text that does not fit is cut off.
type row struct {
	look look
	cols int    // columns of the screen
	base string // style of the whole line
	col  int    // columns that are taken
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
	if align < 0 {
		l.space(n - taken)
	}
	code := l.look.code(l.base, style)
	if code != "" {
		l.b.WriteString("\x1b[" + code + "m")
	}
	l.text(text)
	if code != "" {
		l.b.WriteString("\x1b[m")
	}
	if align > 0 {
		l.space(n - taken)
	}
}

// text writes a text. Terminals that reorder text from right to left would reorder
// the columns beside it, too, so such a text is isolated.
func (l *row) text(text string) {
	if !uncertain(text) {
		l.b.WriteString(text)
		l.col += width.String(text)
		return
	}
	isolated := !l.look.ascii && strings.ContainsFunc(text, rightToLeft)
	if isolated {
		l.b.WriteString("\u2068")
	}
	for len(text) > 0 {
		n, columns, certain := width.Next(text)
		l.b.WriteString(text[:n])
		text, l.col = text[n:], l.col+columns
		if !certain && text != "" {
			l.place()
		}
	}
	if isolated {
		l.b.WriteString("\u2069")
	}
	l.place()
}

// place moves the cursor to the next column by its number.
func (l *row) place() {
	if l.col < l.cols {
		fmt.Fprintf(&l.b, "\x1b[%dG", l.col+1)
	}
}

// right puts text at the right end, and reports whether there is room.
func (l *row) right(style, text string) bool {
	free := l.cols - l.col - width.String(text)
	if free > 0 {
		l.space(free)
		l.add(style, text)
	}
	return free > 0
}

func (l *row) space(n int) {
	n = max(0, min(n, l.cols-l.col))
	if code := l.look.code(l.base, plain); code != "" && n > 0 {
		l.b.WriteString("\x1b[" + code + "m" + strings.Repeat(" ", n) + "\x1b[m")
	} else {
		l.b.WriteString(strings.Repeat(" ", n))
	}
	l.col += n
}

// line returns the line. A line with a style has it up to the right end.
func (l *row) line() string {
	if l.base != "" {
		l.space(l.cols - l.col)
	}
	return l.b.String()
}

// code returns the styles together, without a colour that must not be drawn.
func (l look) code(base, style string) string {
	if !l.color && len(style) == 2 {
		style = ""
	}
	if base != "" && style == dim { // hardly readable
		style = ""
	}
	if base != "" && style != "" {
		return base + ";" + style
	}
	return base + style
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

// rightToLeft reports whether r is of a script that is written from right to left.
func rightToLeft(r rune) bool {
	return 0x590 <= r && r <= 0x8ff || 0xfb1d <= r && r <= 0xfdff || 0xfe70 <= r && r <= 0xfefe || 0x10800 <= r && r <= 0x10fff || 0x1e800 <= r && r <= 0x1efff
}
