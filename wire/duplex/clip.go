package duplex

import "strings"

// Clip returns text cut to at most n bytes and a mark that says so. The peer may
// send text of any length; no error or log line grows with it.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
