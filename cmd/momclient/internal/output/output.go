// Package output prints events: a line of text, JSON or CloudEvents for each.
// It also formats names, sizes and counts for these lines, the screen and the
// messages of momclient. Only momclient uses it.
package output

import (
	"bytes"
	"io"

	"mom.internal/cmd/internal/clean"
	"mom.internal/wire"
)

// Clean returns text with all invisible characters escaped.
func Clean(text string) string { return clean.Text(text) }

// Printer prints events, those of each server in order. server is the name of the
// server, or "" for the only one, which is not printed. If Print returns nil, the event
// is with the operating system: no part of it waits in a buffer of the program.
type Printer interface {
	Print(server string, e *wire.Event) error
}

// New returns the printer for a -o format that writes events: text, json or
// cloudevents.
func New(format string, w io.Writer) Printer {
	switch format {
	case "json":
		return jsonPrinter{w}
	case "cloudevents":
		return cloudPrinter{w}
	}
	return newTextPrinter(w)
}

// JSON returns the line that -o json prints for the only server.
func JSON(e *wire.Event) ([]byte, error) {
	var b bytes.Buffer
	err := jsonPrinter{&b}.Print("", e)
	return b.Bytes(), err
}

// filterPrinter prints the events that its filter takes. If it leaves out an
// event with a gap before it, the next event printed has the count.
type filterPrinter struct {
	filter wire.Filter
	to     Printer
	missed map[string]uint64 // by server
}

// Filtered returns a printer of the events that the filter takes.
func Filtered(f wire.Filter, to Printer) Printer {
	return &filterPrinter{filter: f, to: to, missed: make(map[string]uint64)}
}

func (p *filterPrinter) Print(server string, e *wire.Event) error {
	if !p.filter.Takes(e) {
		p.missed[server] += e.Missed
		return nil
	}
	shown := *e
	shown.Missed += p.missed[server]
	p.missed[server] = 0
	return p.to.Print(server, &shown)
}
