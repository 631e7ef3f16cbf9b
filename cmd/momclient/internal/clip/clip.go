// Package clip bounds text that a server may have sent, so that neither memory
// nor a line of output grows with it. The momclient command imports it.
package clip

import "strings"

// Text returns text cut to at most n bytes and a mark that says so.
func Text(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
