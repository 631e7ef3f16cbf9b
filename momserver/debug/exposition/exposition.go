// Package exposition writes metrics in the Prometheus text format, version 0.0.4, and
// the metrics of jobs that a server and a monitor share.
//
// It supports package debug and the momclient command only. Nothing in it is promised.
package exposition

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ContentType is the media type of what a Writer writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Writer gathers metrics. Its zero value is empty.
type Writer struct{ bytes.Buffer }

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// Family begins a metric. Its samples must follow at once.
func (w *Writer) Family(name, kind, help string) {
	w.WriteString("# HELP " + name + " " + escapeHelp.Replace(help) + "\n# TYPE " + name + " " + kind + "\n")
}

// Sample adds a value to the family that was begun last. labels are names and
// values in turn. Bytes that Prometheus refuses in a value are escaped.
func (w *Writer) Sample(name string, value float64, labels ...string) {
	w.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		w.WriteByte("{,"[min(i, 1)])
		w.WriteString(labels[i] + `="` + escapeLabel.Replace(clean(labels[i+1])) + `"`)
	}
	if len(labels) > 0 {
		w.WriteByte('}')
	}
	w.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
}

// clean replaces the bytes of text that are not valid UTF-8, and zero bytes, by
// \xNN.
func clean(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if r == 0 || r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, text[0])
		} else {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// Gauge adds a metric that rises and falls.
func (w *Writer) Gauge(name, help string, value float64, labels ...string) {
	w.Family(name, "gauge", help)
	w.Sample(name, value, labels...)
}

// Counter adds a metric that only rises while the process lives.
func (w *Writer) Counter(name, help string, value uint64) {
	w.Family(name, "counter", help)
	w.Sample(name, float64(value))
}

// Seconds returns a time as Prometheus has it: seconds since 1970.
func Seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
