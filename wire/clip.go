package wire

import "strings"

// Clip shortens text that a stranger may have sent to at most n bytes and a
// mark, so that no error or log line grows with it.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
