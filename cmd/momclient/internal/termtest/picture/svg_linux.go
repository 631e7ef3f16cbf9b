package main

import (
	"fmt"
	"strings"

	"mom.internal/cmd/momclient/internal/termtest"
)

// Dimensions of the picture, in pixels.
const (
	cellWidth  = 8.4
	cellHeight = 18
	fontSize   = 14
	baseline   = 13.5
	margin     = 14
)

// Colours of a dark terminal.
const (
	background = "#16181d"
	foreground = "#d6d9de"
	selected   = "#2f4a6b" // behind reversed text, which keeps its colours
)

var palette = map[int]string{
	31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff", 36: "#56d4dd",
}

// svg draws the cells. Each span of one style is a text element of its own,
// which is stretched to its columns, so that the columns line up in any font.
// Bars are drawn as rectangles.
func svg(s *termtest.Screen) []byte {
	var b strings.Builder
	w, h := float64(s.Columns)*cellWidth+2*margin, s.Rows*cellHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="%d" fill="%s">`+"\n", w, h, w, h, fontSize, foreground)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	for row, cells := range s.Cells {
		for from := 0; from < len(cells); from++ {
			if cells[from].Reverse {
				to := from
				for to < len(cells) && cells[to].Reverse {
					to++
				}
				fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", margin+float64(from)*cellWidth, margin+row*cellHeight, float64(to-from)*cellWidth, cellHeight, selected)
				from = to
			}
		}
		for from := 0; from < len(cells); {
			to := from + span(cells[from:])
			drawSpan(&b, cells[from:to], row, from)
			from = to
		}
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// span returns how many of the first cells are drawn as one element.
func span(cells []termtest.Cell) int {
	n := 1
	for n < len(cells) && cells[n].Text == "" { // the rest of a wide character
		n++
	}
	if n > 1 {
		return n
	}
	for n < len(cells) && style(cells[n]) == style(cells[0]) && kind(cells[n]) == kind(cells[0]) && (n+1 == len(cells) || cells[n+1].Text != "") {
		n++
	}
	return n
}

func style(c termtest.Cell) termtest.Cell { c.Text = ""; return c }

// kind returns the character of a bar, or "text" for all others.
func kind(c termtest.Cell) string {
	if c.Text == "█" || c.Text == "░" {
		return c.Text
	}
	return "text"
}

func drawSpan(b *strings.Builder, cells []termtest.Cell, row, col int) {
	x, y := margin+float64(col)*cellWidth, float64(margin+row*cellHeight)
	width := float64(len(cells)) * cellWidth
	color := foreground
	if c := palette[cells[0].Color]; c != "" {
		color = c
	}
	switch kind(cells[0]) {
	case "█":
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="12" fill="%s"/>`+"\n", x, y+3, width, color)
		return
	case "░":
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="12" fill="%s" opacity=".22"/>`+"\n", x, y+3, width, color)
		return
	}
	var text strings.Builder
	for _, c := range cells {
		text.WriteString(c.Text)
	}
	line := strings.TrimRight(text.String(), " ")
	if line == "" {
		return
	}
	width -= float64(len(text.String())-len(line)) * cellWidth
	fmt.Fprintf(b, `<text xml:space="preserve" x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs"`, x, y+baseline, width)
	if color != foreground {
		fmt.Fprintf(b, ` fill="%s"`, color)
	}
	if cells[0].Bold {
		b.WriteString(` font-weight="bold"`)
	}
	if cells[0].Dim {
		b.WriteString(` opacity=".6"`)
	}
	fmt.Fprintf(b, ">%s</text>\n", escape.Replace(line))
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
