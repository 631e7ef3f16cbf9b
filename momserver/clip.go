package momserver

import "strings"

// clipFront is [wire.Clip] that keeps the end: of a path, the name of the file.
func clipFront(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-n:], "")
}
