// Package clean escapes texts for a terminal. Both commands use it for text that they
// print for people, because names of jobs and files, and what a peer sends, may have any
// bytes.
package clean

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns text with all invisible characters escaped, so that the name of
// a job or of a file cannot control a terminal or break a line. A joiner stays
// between two emoji, because they are drawn as one.
func Text(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, Hidden) < 0 {
		return text
	}
	var b strings.Builder
	emoji := false // the character before text is an emoji that a joiner can join
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		after, _ := utf8.DecodeRuneInString(text[n:])
		joins := r == 0x200d && emoji && Emoji(after)
		emoji = Emoji(r) || r == 0xfe0f && emoji
		if Hidden(r) && !joins || r == utf8.RuneError && n == 1 {
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

// Emoji reports whether r is an emoji. Terminals draw two emoji with a joiner between
// them as one.
func Emoji(r rune) bool {
	switch {
	case r < 0x2190:
		return false
	case r <= 0x2bff: // arrows and symbols
		return r < 0x2500 || r >= 0x25a0 // without the characters of boxes and bars
	}
	return 0x1f000 <= r && r <= 0x1faff && (r < 0x1f1e6 || r > 0x1f1ff) // without the letters of flags
}
