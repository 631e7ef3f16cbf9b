// Package termtest shows what a program draws on a terminal. Screen interprets
// the bytes, and Terminal runs a process on a pseudo-terminal. Only tests of
// momclient use it, and the command picture below, which draws the terminal for
// README.
package termtest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"mom.internal/cmd/momclient/internal/width"
)

// Cell is one cell of the screen. The second column of a wide character has an
// empty Text.
type Cell struct {
	Text    string // a character with its combining marks; " " for nothing
	Color   int    // 30 to 37 or 90 to 97, as in the sequence SGR; 0 is the default
	Bold    bool
	Dim     bool
	Reverse bool
}

// Screen is the screen of a terminal: it takes the bytes that a program writes,
// and keeps what a person would see. It implements the sequences that the monitor
// writes, and lists all others in Unknown. It is not safe for concurrent use.
type Screen struct {
	Columns, Rows int
	Cells         [][]Cell
	Alternate     bool // the alternate screen is shown
	Hidden        bool // the cursor is hidden
	NoWrap        bool
	Syncing       bool // between the two marks of a synchronized update
	Pasting       bool // the terminal marks pasted text
	Older         bool // the terminal draws each emoji of a sequence in columns of its own
	Unknown       []string

	row, col int
	pen      Cell
	rest     []byte // an unfinished sequence
	main     [][]Cell
	mainAt   [2]int
}

// NewScreen returns an empty screen.
func NewScreen(columns, rows int) *Screen {
	s := &Screen{Columns: columns, Rows: rows}
	s.Cells = s.blank()
	return s
}

func (s *Screen) blank() [][]Cell {
	cells := make([][]Cell, s.Rows)
	for i := range cells {
		cells[i] = make([]Cell, s.Columns)
		for j := range cells[i] {
			cells[i][j].Text = " "
		}
	}
	return cells
}

// Resize changes the size. Cells within the new size stay.
func (s *Screen) Resize(columns, rows int) {
	old := s.Cells
	s.Columns, s.Rows = columns, rows
	s.Cells = s.blank()
	for i := range min(rows, len(old)) {
		copy(s.Cells[i], old[i])
	}
	s.row, s.col = min(s.row, rows-1), min(s.col, columns)
}

// Write interprets the output of a program. It returns no error.
func (s *Screen) Write(p []byte) (int, error) {
	data := append(s.rest, p...)
	for len(data) > 0 {
		n := s.one(data)
		if n == 0 {
			break
		}
		data = data[n:]
	}
	s.rest = append([]byte(nil), data...)
	return len(p), nil
}

// one interprets one character or sequence, and returns its length, or 0 if it
// is incomplete.
func (s *Screen) one(data []byte) int {
	switch data[0] {
	case '\r':
		s.col = 0
	case '\n':
		s.lineFeed()
	case '\a':
	case '\b':
		s.col = max(0, s.col-1)
	case 0x1b:
		return s.escape(data)
	default:
		if !utf8.FullRune(data) {
			return 0
		}
		r, n := utf8.DecodeRune(data)
		s.put(r)
		return n
	}
	return 1
}

// escape interprets a control sequence.
func (s *Screen) escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	if data[1] != '[' {
		s.Unknown = append(s.Unknown, string(data[:2]))
		return 2
	}
	for i, b := range data[2:] {
		if b >= 0x40 && b <= 0x7e {
			s.control(b, string(data[2:2+i]))
			return 3 + i
		}
	}
	return 0
}

func (s *Screen) control(final byte, args string) {
	private := strings.HasPrefix(args, "?")
	var n []int
	for part := range strings.SplitSeq(strings.TrimPrefix(args, "?"), ";") {
		v, _ := strconv.Atoi(part)
		n = append(n, v)
	}
	switch {
	case private && (final == 'h' || final == 'l'):
		s.mode(n[0], final == 'h')
	case final == 'H' && !private:
		s.row, s.col = clamp(n[0], s.Rows), 0
		if len(n) > 1 {
			s.col = clamp(n[1], s.Columns)
		}
	case final == 'G':
		s.col = clamp(n[0], s.Columns)
	case final == 'K' && n[0] == 0:
		s.erase(s.row, s.col, s.Columns)
	case final == 'J' && n[0] == 0:
		s.erase(s.row, s.col, s.Columns)
		for row := s.row + 1; row < s.Rows; row++ {
			s.erase(row, 0, s.Columns)
		}
	case final == 'J' && n[0] == 2:
		for row := range s.Rows {
			s.erase(row, 0, s.Columns)
		}
	case final == 'm':
		for _, v := range n {
			s.style(v)
		}
	default:
		s.Unknown = append(s.Unknown, fmt.Sprintf("CSI %s%c", args, final))
	}
}

// clamp turns a position that counts from 1 into an index. 0 means 1.
func clamp(n, limit int) int { return min(max(n, 1), limit) - 1 }

func (s *Screen) mode(n int, on bool) {
	switch n {
	case 25:
		s.Hidden = !on
	case 7:
		s.NoWrap = !on
	case 2004:
		s.Pasting = on
	case 2026:
		s.Syncing = on
	case 1049:
		switch {
		case on && !s.Alternate:
			s.main, s.mainAt = s.Cells, [2]int{s.row, s.col}
			s.Cells = s.blank()
		case !on && s.Alternate:
			main := s.main
			s.Cells = s.blank()
			for i := range min(len(main), s.Rows) {
				copy(s.Cells[i], main[i])
			}
			s.row, s.col = min(s.mainAt[0], s.Rows-1), min(s.mainAt[1], s.Columns-1)
		}
		s.Alternate = on
	default:
		s.Unknown = append(s.Unknown, fmt.Sprintf("mode %d", n))
	}
}

func (s *Screen) style(n int) {
	switch {
	case n == 0:
		s.pen = Cell{}
	case n == 1:
		s.pen.Bold = true
	case n == 2:
		s.pen.Dim = true
	case n == 7:
		s.pen.Reverse = true
	case 30 <= n && n <= 37, 90 <= n && n <= 97:
		s.pen.Color = n
	default:
		s.Unknown = append(s.Unknown, fmt.Sprintf("SGR %d", n))
	}
}

func (s *Screen) erase(row, from, to int) {
	for col := from; col < to; col++ {
		s.Cells[row][col] = Cell{Text: " "}
	}
}

func (s *Screen) lineFeed() {
	if s.row < s.Rows-1 {
		s.row++
		return
	}
	copy(s.Cells, s.Cells[1:])
	s.Cells[s.Rows-1] = make([]Cell, s.Columns)
	s.erase(s.Rows-1, 0, s.Columns)
}

// put draws a character at the cursor, or joins it to the one before the cursor.
// Without wrapping, it replaces the character in the last column.
func (s *Screen) put(r rune) {
	w := width.Rune(r)
	if s.join(r, w) || w == 0 {
		return
	}
	if s.col+w > s.Columns {
		if s.NoWrap {
			s.col = s.Columns - w
		} else {
			s.col = 0
			s.lineFeed()
		}
	}
	cell := s.pen
	cell.Text = string(r)
	s.Cells[s.row][s.col] = cell
	if w == 2 {
		cell.Text = ""
		s.Cells[s.row][s.col+1] = cell
	}
	s.col += w
}

// join adds r, which has w columns, to the character before the cursor, if a terminal
// draws the two as one.
func (s *Screen) join(r rune, w int) bool {
	col := s.col - 1
	for col > 0 && s.Cells[s.row][col].Text == "" {
		col--
	}
	if col < 0 {
		return false
	}
	cell := &s.Cells[s.row][col]
	text := cell.Text + string(r)
	n, columns, _ := width.Next(text)
	switch {
	case s.Older:
		if w > 0 {
			return false
		}
	case n < len(text):
		return false
	case columns > s.col-col && s.col < s.Columns:
		s.Cells[s.row][s.col] = s.pen
		s.col++
	}
	cell.Text = text
	return true
}

// Text returns the lines without trailing blanks, and without empty lines at
// the end.
func (s *Screen) Text() string {
	var lines []string
	for _, row := range s.Cells {
		var b strings.Builder
		for _, cell := range row {
			b.WriteString(cell.Text)
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}
