// Package width computes how many columns of a terminal a text takes. Packages
// output and screen use it.
//
// # Sequences
//
// A combining mark takes no column, an East Asian wide character or an emoji takes
// two, and every other character takes one. Characters of ambiguous width take one
// column, as outside of East Asia. Some sequences of characters take two columns,
// because present terminals draw each as one character: emoji with joiners, with a skin
// tone or with a variation selector, and the two letters of a flag.
//
// Older terminals draw some of these sequences wider or narrower. A program that draws
// columns should place the cursor at the right column after each of them.
package width

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"mom.internal/cmd/internal/clean"
)

// Characters of sequences.
const (
	joiner  = 0x200d // joins two emoji
	emojiVS = 0xfe0f // makes the character before it an emoji
)

// Rune returns how many columns a character takes if it is not joined with another
// one: 0, 1 or 2.
func Rune(r rune) int {
	switch {
	case r < 0x300: // the most frequent characters
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me), 0x1160 <= r && r <= 0x11ff, 0xd7b0 <= r && r <= 0xd7ff:
		return 0 // marks, and the vowels and finals of Hangul
	case r == joiner, 0x2066 <= r && r <= 0x2069: // and isolates
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// letter reports whether r is a letter of a flag.
func letter(r rune) bool { return 0x1f1e6 <= r && r <= 0x1f1ff }

func tone(r rune) bool { return 0x1f3fb <= r && r <= 0x1f3ff }

// Next returns the length in bytes and the columns of what a terminal draws as the first
// character of s, which is not empty. certain is false if older terminals draw that in
// another number of columns.
func Next(s string) (n, columns int, certain bool) {
	first, n := utf8.DecodeRuneInString(s)
	columns, certain = Rune(first), true
	last, joined := first, false
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		switch {
		case r < 0x300:
			return n, columns, certain
		case r == emojiVS && clean.Emoji(last), tone(r) && clean.Emoji(last):
			columns, certain = 2, false
		case r == joiner && clean.Emoji(first):
			joined = true
		case joined && clean.Emoji(r):
			columns, certain, joined = 2, false, false
			last = r
		case letter(r) && letter(last) && last == first && n == utf8.RuneLen(first):
			columns, certain = 2, false
			last = 0
		case Rune(r) > 0:
			return n, columns, certain
		}
		n += size
	}
	return n, columns, certain
}

// String returns the columns of a text, which must have no control characters.
func String(s string) int {
	total := 0
	for len(s) > 0 {
		n, columns, _ := Next(s)
		s, total = s[n:], total+columns
	}
	return total
}

// Clip returns s if it fits into n columns, or else as much of s as leaves room
// for the ellipsis, and the ellipsis. It also returns the number of columns.
func Clip(s string, n int, ellipsis string) (string, int) {
	if full := String(s); full <= n {
		return s, full
	}
	if n < String(ellipsis) {
		return strings.Repeat(".", max(0, n)), max(0, n)
	}
	room, taken := n-String(ellipsis), 0
	for i := 0; i < len(s); {
		size, w, _ := Next(s[i:])
		if taken+w > room {
			return s[:i] + ellipsis, taken + String(ellipsis)
		}
		i += size
		taken += w
	}
	return s, taken
}

// wide has the characters whose East Asian Width in Unicode is W or F. The
// ranges include unassigned characters between them.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23ec, 1}, {0x23f0, 0x23f3, 3},
		{0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1}, {0x2648, 0x2653, 1}, {0x267f, 0x2693, 20}, {0x26a1, 0x26a1, 1},
		{0x26aa, 0x26ab, 1}, {0x26bd, 0x26be, 1}, {0x26c4, 0x26c5, 1}, {0x26ce, 0x26d4, 6}, {0x26ea, 0x26ea, 1},
		{0x26f2, 0x26f3, 1}, {0x26f5, 0x26fa, 5}, {0x26fd, 0x2705, 8}, {0x270a, 0x270b, 1}, {0x2728, 0x2728, 1},
		{0x274c, 0x274e, 2}, {0x2753, 0x2755, 1}, {0x2757, 0x2757, 1}, {0x2795, 0x2797, 1}, {0x27b0, 0x27bf, 15},
		{0x2b1b, 0x2b1c, 1}, {0x2b50, 0x2b55, 5}, {0x2e80, 0x303e, 1}, {0x3041, 0x4dbf, 1}, {0x4e00, 0xa4cf, 1},
		{0xa960, 0xa97f, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe10, 0xfe19, 1}, {0xfe30, 0xfe6f, 1},
		{0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18d7f, 1}, {0x1aff0, 0x1b2ff, 1}, {0x1f004, 0x1f004, 1}, {0x1f0cf, 0x1f0cf, 1}, {0x1f18e, 0x1f18e, 1},
		{0x1f191, 0x1f19a, 1}, {0x1f200, 0x1f320, 1}, {0x1f32d, 0x1f335, 1}, {0x1f337, 0x1f37c, 1}, {0x1f37e, 0x1f393, 1},
		{0x1f3a0, 0x1f3ca, 1}, {0x1f3cf, 0x1f3d3, 1}, {0x1f3e0, 0x1f3f0, 1}, {0x1f3f4, 0x1f3f4, 1}, {0x1f3f8, 0x1f43e, 1},
		{0x1f440, 0x1f440, 1}, {0x1f442, 0x1f4fc, 1}, {0x1f4ff, 0x1f53d, 1}, {0x1f54b, 0x1f54e, 1}, {0x1f550, 0x1f567, 1},
		{0x1f57a, 0x1f57a, 1}, {0x1f595, 0x1f596, 1}, {0x1f5a4, 0x1f5a4, 1}, {0x1f5fb, 0x1f64f, 1}, {0x1f680, 0x1f6c5, 1},
		{0x1f6cc, 0x1f6cc, 1}, {0x1f6d0, 0x1f6d2, 1}, {0x1f6d5, 0x1f6df, 1}, {0x1f6eb, 0x1f6ec, 1}, {0x1f6f4, 0x1f6fc, 1},
		{0x1f7e0, 0x1f7eb, 1}, {0x1f7f0, 0x1f7f0, 1}, {0x1f90c, 0x1f93a, 1}, {0x1f93c, 0x1f945, 1}, {0x1f947, 0x1f9ff, 1},
		{0x1fa70, 0x1faff, 1}, {0x20000, 0x2fffd, 1}, {0x30000, 0x3fffd, 1},
	},
}
