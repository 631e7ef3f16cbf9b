package output

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"mom.internal/wire"
)

// jsonPrinter writes an event a line, as encoding/json gives it. In texts,
// what could steer a terminal is escaped; a reader of JSON gets it as it was.
type jsonPrinter struct{ w io.Writer }

func (p jsonPrinter) Print(e *wire.Event) error {
	return writeJSON(p.w, withTimes(e))
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

// escapeHidden escapes what has no picture. In JSON it can stand in strings
// only, so that the line means the same.
func escapeHidden(line string) string {
	if strings.IndexFunc(line, hidden) < 0 {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		switch {
		case !hidden(r):
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

// withTimes returns e with the times left out that RFC 3339 cannot say. A
// server may send any.
func withTimes(e *wire.Event) *wire.Event {
	shown := *e
	status := &shown.Data.Status
	keepTime(&status.SentTime)
	keepTime(&status.ReceivedTime)
	if i := e.Data.Initialize; i != nil && !sayable(i.LastExecution) {
		init := *i // the run's events share it
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
	if !sayable(*t) {
		*t = time.Time{}
	}
}

func sayable(t time.Time) bool {
	_, err := t.MarshalText()
	return err == nil
}
