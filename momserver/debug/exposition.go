package debug

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"mom.internal/momserver"
)

// exposition gathers metrics in the Prometheus text format, version 0.0.4.
type exposition struct{ bytes.Buffer }

const expositionType = "text/plain; version=0.0.4; charset=utf-8"

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// family begins a metric. Its samples must follow at once.
func (x *exposition) family(name, kind, help string) {
	x.WriteString("# HELP " + name + " " + escapeHelp.Replace(help) + "\n# TYPE " + name + " " + kind + "\n")
}

// sample adds a value to the family that was begun last. labels are names and
// values in turn.
func (x *exposition) sample(name string, value float64, labels ...string) {
	x.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		x.WriteByte("{,"[min(i, 1)])
		x.WriteString(labels[i] + `="` + escapeLabel.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		x.WriteByte('}')
	}
	x.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
}

// gauge adds a metric that rises and falls.
func (x *exposition) gauge(name, help string, value float64, labels ...string) {
	x.family(name, "gauge", help)
	x.sample(name, value, labels...)
}

// counter adds a metric that only rises while the server lives.
func (x *exposition) counter(name, help string, value uint64) {
	x.family(name, "counter", help)
	x.sample(name, float64(value))
}

// histogram adds a distribution of times, in seconds.
func (x *exposition) histogram(name, help string, h momserver.Histogram) {
	x.family(name, "histogram", help)
	for _, b := range h.Buckets {
		x.sample(name+"_bucket", float64(b.Count), "le", strconv.FormatFloat(b.Bound.Seconds(), 'g', -1, 64))
	}
	x.sample(name+"_bucket", float64(h.Count), "le", "+Inf")
	x.sample(name+"_sum", h.Sum.Seconds())
	x.sample(name+"_count", float64(h.Count))
}

// seconds returns a time as Prometheus has it: seconds since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
