package output

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"mom.internal/cmd/internal/clean"
	"mom.internal/wire"
)

// jsonPrinter writes each event as a line, as encoding/json does. Characters
// that could control a terminal are escaped, and a reader of JSON receives them
// unchanged.
type jsonPrinter struct{ w io.Writer }

func (p jsonPrinter) Print(server string, e *wire.Event) error {
	return writeJSON(p.w, jsonEvent{server, withTimes(e)})
}

// jsonEvent is an event with the name of its server.
type jsonEvent struct {
	Server string `json:"server,omitempty"`
	*wire.Event
}

// writeJSON writes v as a line, by one write.
func writeJSON(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // "R&D" is to be found by grep
	if err := enc.Encode(v); err != nil {
		return err
	}
	line := strings.TrimSuffix(b.String(), "\n")
	_, err := io.WriteString(w, escapeHidden(line)+"\n")
	return err
}

// escapeHidden escapes invisible characters. In JSON they occur only in
// strings, so the line keeps its meaning.
func escapeHidden(line string) string {
	if strings.IndexFunc(line, clean.Hidden) < 0 {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		switch {
		case !clean.Hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// withTimes returns e without the times that RFC 3339 cannot express. A server
// may send such times.
func withTimes(e *wire.Event) *wire.Event {
	shown := *e
	status := &shown.Data.Status
	keepTime(&status.SentTime)
	keepTime(&status.ReceivedTime)
	if i := e.Data.Initialize; i != nil && !expressible(i.LastExecution) {
		init := *i // all events of the run share it
		keepTime(&init.LastExecution)
		shown.Data.Initialize = &init
	}
	status.Log = slices.Clone(status.Log)
	for i := range status.Log {
		keepTime(&status.Log[i].Time)
	}
	return &shown
}

func keepTime(t *time.Time) {
	if !expressible(*t) {
		*t = time.Time{}
	}
}

func expressible(t time.Time) bool {
	_, err := t.MarshalText()
	return err == nil
}
