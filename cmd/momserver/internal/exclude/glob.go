package exclude

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// glob is a pattern without slashes.
type glob struct {
	dirs   bool // **, which stands for directories
	tokens []token

	// The usual patterns need no tokens. If plain, the glob matches the name
	// literal or, if suffix, the names that end with it.
	plain, suffix bool
	literal       string
}

// token matches one character or, if it is a star, any number of characters.
type token struct {
	kind    kind
	char    rune
	ranges  [][2]rune // of a class
	negated bool
}

type kind byte

const (
	char kind = iota
	one
	star
	class
)

// invalid is added to a byte that is not valid UTF-8, so that the byte is a
// character of its own.
const invalid = utf8.MaxRune + 1

// next returns the first character of s and the number of its bytes.
func next(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		r = invalid + rune(s[0])
	}
	return r, n
}

func (t *token) matches(r rune) bool {
	switch t.kind {
	case char:
		return r == t.char
	case class:
		in := slices.ContainsFunc(t.ranges, func(b [2]rune) bool { return b[0] <= r && r <= b[1] })
		return in != t.negated
	}
	return true
}

// match reports whether the glob matches the whole name. If a token does not match,
// the last star takes one more character. An earlier star need not take more,
// because the last one can reach everything that the earlier one could. So the time
// is bounded by the product of the two lengths.
func (g *glob) match(name string) bool {
	if g.plain {
		return name == g.literal || g.suffix && strings.HasSuffix(name, g.literal)
	}
	t, rest := 0, name
	retry, retryRest := -1, ""
	for {
		if t < len(g.tokens) && g.tokens[t].kind == star {
			t++
			retry, retryRest = t, rest
			continue
		}
		if rest == "" {
			return t == len(g.tokens)
		}
		r, n := next(rest)
		if t < len(g.tokens) && g.tokens[t].matches(r) {
			t, rest = t+1, rest[n:]
			continue
		}
		if retry < 0 {
			return false
		}
		_, n = next(retryRest)
		retryRest = retryRest[n:]
		t, rest = retry, retryRest
	}
}

// parseGlob parses text up to a slash. It returns what follows the slash, and
// whether there is one.
func parseGlob(text string) (g glob, rest string, more bool, err error) {
	all := text
	g.plain = true
	for text != "" && text[0] != '/' {
		var t token
		switch text[0] {
		case '*':
			t.kind = star
			text = strings.TrimLeft(text, "*")
			g.plain, g.suffix = g.plain && len(g.tokens) == 0, true
		case '?':
			t.kind = one
			text = text[1:]
			g.plain = false
		case '[':
			if t, text, err = parseClass(text[1:]); err != nil {
				return g, "", false, err
			}
			g.plain = false
		case '\\':
			text = text[1:]
			if text == "" || text[0] == '/' {
				return g, "", false, errors.New(`a backslash before a slash, or at the end; write \\ for the backslash itself`)
			}
			fallthrough
		default:
			var n int
			t.char, n = next(text)
			g.literal += text[:n]
			text = text[n:]
		}
		g.tokens = append(g.tokens, t)
	}
	raw := all[:len(all)-len(text)]
	switch raw {
	case "":
		return g, "", false, errors.New("two slashes with nothing between them; write one")
	case ".", "..":
		return g, "", false, fmt.Errorf("%s is not the name of an entry; paths begin at the top, as /a or a/b", raw)
	}
	g.dirs = len(raw) > 1 && strings.Trim(raw, "*") == ""
	g.plain = g.plain && utf8.ValidString(g.literal) // half a character would match a part of a whole one
	rest, more = strings.CutPrefix(text, "/")
	return g, rest, more, nil
}

var errUnclosed = errors.New(`a [ without its ]; write \[ for the bracket itself`)

// parseClass parses a class after its bracket, and returns what follows its
// end.
func parseClass(text string) (t token, rest string, err error) {
	t.kind = class
	if text != "" && (text[0] == '!' || text[0] == '^') {
		t.negated = true
		text = text[1:]
	}
	for first := true; first || !strings.HasPrefix(text, "]"); first = false {
		if name, _, ok := strings.Cut(text, "]"); ok && len(name) > 2 && strings.HasPrefix(name, "[:") && strings.HasSuffix(name, ":") {
			return t, "", fmt.Errorf("%s] is not supported; write a range, such as a-z or 0-9", name)
		}
		var low, high rune
		if low, text, err = classChar(text); err != nil {
			return t, "", err
		}
		high = low
		if len(text) > 1 && text[0] == '-' && text[1] != ']' {
			if high, text, err = classChar(text[1:]); err != nil {
				return t, "", err
			}
		}
		if high < low {
			return t, "", fmt.Errorf("the range %c-%c is the wrong way round; write %c-%c", low, high, high, low)
		}
		t.ranges = append(t.ranges, [2]rune{low, high})
	}
	return t, text[1:], nil
}

// classChar reads a character of a class, which may have a backslash before it.
func classChar(text string) (rune, string, error) {
	text = strings.TrimPrefix(text, `\`)
	if text == "" {
		return 0, "", errUnclosed
	}
	r, n := next(text)
	return r, text[n:], nil
}
