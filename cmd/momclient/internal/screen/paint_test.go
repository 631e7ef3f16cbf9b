package screen

import (
	"strings"
	"testing"
)

// writes counts the writes, and keeps the last.
type writes struct {
	n    int
	last string
}

func (w *writes) Write(p []byte) (int, error) {
	w.n++
	w.last = string(p)
	return len(p), nil
}

// TestPaint writes the changed lines of a frame, by one write.
func TestPaint(t *testing.T) {
	var w writes
	p := painter{w: &w}
	lines := func(text string) []string { return strings.Split(text, "|") }
	for _, step := range []struct {
		lines string
		cols  int
		whole bool
		n     int
		want  string
	}{
		{"one|two", 10, false, 1, "\x1b[H\x1b[2J\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[Ktwo\x1b[3;1H\x1b[K"},
		{"one|two", 10, false, 1, ""},
		{"one|three", 10, false, 2, "\x1b[2;1H\x1b[Kthree"},
		{"one", 10, false, 3, "\x1b[2;1H\x1b[K"},
		{"one", 10, true, 4, "\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[K\x1b[3;1H\x1b[K"},
		{"one", 9, false, 5, "\x1b[H\x1b[2J\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[K\x1b[3;1H\x1b[K"},
	} {
		w.last = ""
		p.paint(lines(step.lines), step.cols, 3, step.whole)
		if step.want != "" {
			step.want = beginFrame + step.want + endFrame
		}
		if w.n != step.n || w.last != step.want {
			t.Errorf("%q: %d writes, %q; want %d, %q", step.lines, w.n, w.last, step.n, step.want)
		}
	}
}
