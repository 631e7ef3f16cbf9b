package momserver

import "strings"

// clipFront is [duplex.Clip], but keeps the end, because a path ends with the
// name of the file.
func clipFront(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-n:], "")
}
