package screen

import (
	"strings"
	"testing"

	"mom.internal/cmd/momclient/internal/termtest"
)

// TestSequences: what follows an emoji of several characters is in its column, whether
// the terminal joins them or not.
func TestSequences(t *testing.T) {
	for _, older := range []bool{false, true} {
		term := termtest.NewScreen(40, 1)
		term.Older = older
		l := &row{cols: 40}
		l.cell(plain, "👩\u200d👩\u200d👧\u200d👦 ok ❤\ufe0f ok", 20, 1)
		l.add(plain, "next")
		term.Write([]byte(l.line()))
		for column, want := range map[int]string{3: "o", 6: "❤\ufe0f", 9: "o", 20: "n"} {
			if got := term.Cells[0][column].Text; got != want {
				t.Errorf("older %v: %q in column %d; want %q", older, got, column, want)
			}
		}
	}
}

// TestRightToLeft: a text from right to left is isolated, except in ASCII.
func TestRightToLeft(t *testing.T) {
	for text, isolated := range map[string]bool{"אתר 12": true, "الموقع": true, "site": false, "日本": false} {
		for _, ascii := range []bool{false, true} {
			l := &row{look: look{ascii: ascii}, cols: 40}
			l.add(plain, text)
			if got := strings.HasPrefix(l.line(), "\u2068"+text+"\u2069"); got != (isolated && !ascii) {
				t.Errorf("%q, ascii %v: %q", text, ascii, l.line())
			}
		}
	}
}

// TestReversedLine: a row with a style has it from end to end, with its colours.
func TestReversedLine(t *testing.T) {
	l := &row{look: look{color: true}, cols: 12, base: reverse}
	l.cell(red, "failed", 8, 1)
	l.add(dim, "1m")
	term := termtest.NewScreen(14, 1)
	term.Write([]byte(l.line()))
	for i, cell := range term.Cells[0] {
		if cell.Reverse != (i < 12) || cell.Dim || (cell.Color == 31) != (i < 6) {
			t.Errorf("column %d: %+v", i, cell)
		}
	}
}

// TestClipMiddle cuts the middle out of a text.
func TestClipMiddle(t *testing.T) {
	for _, tc := range []struct {
		text  string
		n     int
		ascii bool
		want  string
	}{
		{"branch office 43", 16, false, "branch office 43"}, {"branch office 43", 11, false, "branc…ce 43"}, {"branch office 43", 11, true, "bran...e 43"},
		{"日本語日本語", 7, false, "日本…語"}, {"o\u0308o\u0308o\u0308o\u0308o\u0308", 4, false, "o\u0308o\u0308…o\u0308"},
		{"👩\u200d👩\u200d👧x", 2, false, "…"}, {"abc", 0, false, ""}, {"abcdef", 3, false, "a…f"},
	} {
		if got := (look{ascii: tc.ascii}).clip(tc.text, tc.n); got != tc.want {
			t.Errorf("%q to %d: %q; want %q", tc.text, tc.n, got, tc.want)
		}
	}
}
