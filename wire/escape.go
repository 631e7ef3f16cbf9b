package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// EscapeName returns a name of a job or of a file in a form that is valid UTF-8, for
// JSON and for people. Each byte that is not part of valid UTF-8 becomes \xNN, with
// the value of the byte in two lower-case hexadecimal digits. If the name itself has
// a backslash at the beginning of such an escape, that backslash becomes \x5c. Nothing
// else changes, so most names with backslashes stay as they are. UnescapeName returns
// the name.
func EscapeName(name string) string {
	if utf8.ValidString(name) && !strings.Contains(name, `\x`) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		if _, is := escaped(name); is || r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, name[0])
		} else {
			b.WriteString(name[:n])
		}
		name = name[n:]
	}
	return b.String()
}

// UnescapeName returns the name for which EscapeName returns text.
func UnescapeName(text string) string {
	if !strings.Contains(text, `\x`) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		if value, is := escaped(text); is {
			b.WriteByte(value)
			text = text[len(`\xNN`):]
		} else {
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String()
}

// escaped reports whether text begins with an escape of EscapeName, and of which
// byte.
func escaped(text string) (value byte, is bool) {
	if len(text) < len(`\xNN`) || text[:2] != `\x` || strings.ContainsAny(text[2:4], "ABCDEF") {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:4], 16, 8)
	return byte(n), err == nil && (n >= utf8.RuneSelf || n == '\\')
}

// Escaped returns e with all names as EscapeName returns them, so that all strings
// are valid UTF-8. Encode that as JSON, and not e, because encoding/json writes
// U+FFFD for each byte that is not part of valid UTF-8. A message of the log is for
// people, and may quote a name in a form of its own. So a message is escaped only if
// it is not valid UTF-8.
func (e *Event) Escaped() Event {
	shown := *e
	data := &shown.Data
	if i := data.Initialize; i != nil {
		init := *i
		if escapeNames(&init.Name, &init.SourcePath, &init.DestinationPath, &init.DestinationRoot) {
			data.Initialize = &init // i stays as it is, because all events of the run share it
		}
	}
	if h := data.Header; h != nil {
		header := *h
		if escapeNames(&header.TargetFilePath) {
			data.Header = &header
		}
	}
	if b := data.Body; b != nil {
		body := *b
		if escapeNames(&body.Item) {
			data.Body = &body
		}
	}
	log := slices.Clone(data.Status.Log)
	for i := range log {
		escapeNames(&log[i].Item)
		if !utf8.ValidString(log[i].Message) {
			escapeNames(&log[i].Message)
		}
	}
	data.Status.Log = log
	return shown
}

// escapeNames escapes the names in place, and reports whether it has changed one.
func escapeNames(names ...*string) (changed bool) {
	for _, name := range names {
		text := EscapeName(*name)
		changed = changed || text != *name
		*name = text
	}
	return changed
}
