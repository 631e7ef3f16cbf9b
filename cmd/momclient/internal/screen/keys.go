package screen

import (
	"bytes"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// key is what the user has typed: a key with a name, a character, or a pasted text.
// A character and a pasted text are text without a name.
type key struct {
	name  keyName
	text  string
	paste bool // text was pasted, so its characters are no commands
}

type keyName int

const (
	keyText keyName = iota
	keyEnter
	keyEscape
	keyBackspace
	keyClear // Ctrl-U, which empties a line
	keyRedraw
	keyTab
	keyUp
	keyDown
	keyPageUp
	keyPageDown
	keyHome
	keyEnd
)

// The times and bounds of keys.
const (
	// escapeTime is how long an escape character waits for the rest of a sequence.
	// If none comes, the escape key was pressed.
	escapeTime = 100 * time.Millisecond
	// pasteTime ends a paste whose end has not come.
	pasteTime   = time.Second
	maxSequence = 32   // bytes; a longer one is none
	maxPaste    = 4096 // bytes; the rest is dropped
)

// Marks around a pasted text, from a terminal that supports bracketed paste.
const (
	beginPaste = "\x1b[200~"
	endPaste   = "\x1b[201~"
)

// decoder makes keys of bytes. The bytes of one key may come in several pieces.
type decoder struct {
	rest    []byte    // the beginning of a key
	since   time.Time // when the last byte of rest came
	pasting bool
	pasted  []byte
}

// keys adds bytes, and returns the keys that are complete. A call without bytes
// returns a key that has waited for its rest for too long.
func (d *decoder) keys(typed []byte, now time.Time) (keys []key) {
	waited := now.Sub(d.since)
	if len(typed) > 0 {
		d.rest, d.since, waited = append(d.rest, typed...), now, 0
	}
	for len(d.rest) > 0 {
		if d.pasting {
			if !d.paste(waited >= pasteTime) {
				return keys
			}
			keys = d.endOfPaste(keys)
			continue
		}
		k, n := next(d.rest, waited >= escapeTime)
		if n == 0 {
			return keys
		}
		if bytes.HasPrefix(d.rest, []byte(beginPaste)) {
			d.pasting = true
		} else if k != (key{}) {
			keys = append(keys, k)
		}
		d.rest = d.rest[n:]
	}
	if d.pasting && waited >= pasteTime {
		keys = d.endOfPaste(keys)
	}
	return keys
}

// paste moves bytes from rest to the pasted text, and reports whether the text has
// ended.
func (d *decoder) paste(over bool) (ended bool) {
	at := bytes.Index(d.rest, []byte(endPaste))
	n, skip := at, len(endPaste)
	if at < 0 { // all but what may be the beginning of the end
		n, skip = len(d.rest), 0
		for i := min(len(endPaste)-1, n); i > 0 && !over; i-- {
			if strings.HasPrefix(endPaste, string(d.rest[n-i:])) {
				n -= i
				break
			}
		}
	}
	d.pasted = append(d.pasted, d.rest[:min(n, maxPaste-len(d.pasted))]...)
	d.rest = d.rest[n+skip:]
	return at >= 0 || over
}

func (d *decoder) endOfPaste(keys []key) []key {
	text := string(d.pasted)
	d.pasting, d.pasted = false, nil
	if text == "" {
		return keys
	}
	return append(keys, key{text: text, paste: true})
}

// next decodes the first key of b, and returns its length. The length is 0 if the
// key is incomplete, which it cannot be if over is set. The key is zero if it has no
// meaning here.
func next(b []byte, over bool) (key, int) {
	if b[0] == 0x1b {
		return sequence(b, over)
	}
	if b[0] < utf8.RuneSelf {
		return key{name: control(b[0]), text: printable(rune(b[0]))}, 1
	}
	if !utf8.FullRune(b) && !over {
		return key{}, 0
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError {
		return key{}, n
	}
	return key{text: printable(r)}, n
}

func printable(r rune) string {
	if unicode.IsPrint(r) || r == 0x200d { // the joiner of emoji
		return string(r)
	}
	return ""
}

func control(c byte) keyName {
	switch c {
	case '\r', '\n':
		return keyEnter
	case 0x7f, '\b':
		return keyBackspace
	case '\t':
		return keyTab
	case 0x15:
		return keyClear
	case 0x0c:
		return keyRedraw
	}
	return keyText
}

// sequence decodes what begins with an escape character. A character after it that
// begins no sequence is a key of its own.
func sequence(b []byte, over bool) (key, int) {
	switch {
	case len(b) == 1 && !over:
		return key{}, 0
	case len(b) == 1 || b[1] != '[' && b[1] != 'O':
		return key{name: keyEscape}, 1
	}
	for i := 2; i < min(len(b), maxSequence); i++ {
		if c := b[i]; c >= 0x40 && c <= 0x7e && (c != '[' || i > 2) {
			return key{name: named(b[1], string(b[2:i]), c)}, i + 1
		} else if c < 0x20 || c > 0x7e {
			return key{}, i // no sequence has this character
		}
	}
	if over || len(b) >= maxSequence {
		return key{}, min(len(b), maxSequence)
	}
	return key{}, 0
}

// named returns the key of a sequence. Modifiers are ignored.
func named(second byte, args string, final byte) keyName {
	switch {
	case strings.HasPrefix(args, "["): // a function key of Linux
		return keyText
	case second == 'O' && final == 'M': // of the number pad
		return keyEnter
	case final == '~':
		number, _, _ := strings.Cut(args, ";")
		return map[string]keyName{"1": keyHome, "7": keyHome, "4": keyEnd, "8": keyEnd, "5": keyPageUp, "6": keyPageDown}[number]
	}
	return map[byte]keyName{'A': keyUp, 'B': keyDown, 'H': keyHome, 'F': keyEnd}[final]
}
