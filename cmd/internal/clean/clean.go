// Package clean escapes texts for a terminal. Both commands use it for all that they
// print, because names of jobs and files, and what a peer sends, may have any bytes.
package clean

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns text with all invisible characters escaped, so that the name of
// a job or of a file cannot control a terminal or break a line.
func Text(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, Hidden) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if Hidden(r) || r == utf8.RuneError && n == 1 {
			quoted := strconv.QuoteToASCII(text[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// Hidden reports whether r is invisible: a control character, a line separator,
// or a mark of direction.
func Hidden(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }
