package screen

import (
	"fmt"
	"strings"
	"time"

	"mom.internal/cmd/momclient/internal/output"
)

// maxSummary bounds the number of jobs in the summary.
const maxSummary = 20

// summary describes in plain lines how things stand when the monitor ends: a
// line for each job that a board has, in the order of the screen, with the first error
// if the job failed or had errors, and a line for each stream.
func (s *layout) summary(m *model) string {
	var b strings.Builder
	var all []*entry
	for _, e := range m.list.ranked {
		if e.turn > 0 {
			all = append(all, e)
		}
	}
	shown := all[:min(len(all), maxSummary)]
	for _, e := range shown {
		j := e.job
		if len(m.servers) > 1 {
			b.WriteString(output.Clean(m.servers[e.server].Name) + ": ")
		}
		fmt.Fprintf(&b, "%s: %s", e.name, e.stateWord(false))
		fmt.Fprintf(&b, ", %s", output.Summary(&j.Run.Progress))
		if n := j.Run.Progress.BytesDone; n > 0 {
			b.WriteString(", " + output.Size(n))
		}
		if took := j.Run.Ended.Sub(j.Run.Started); !j.Run.Started.IsZero() && took > 0 {
			fmt.Fprintf(&b, " in %v", took.Round(time.Millisecond*100))
		}
		b.WriteByte('\n')
		if why := e.reason(); why != "" {
			b.WriteString("  " + why + "\n")
		}
	}
	if more := len(all) - len(shown); more > 0 {
		fmt.Fprintf(&b, "%s and %s\n", s.look.ellipsis(), output.Plural(more, "more job"))
	}
	for i := range m.servers {
		c := &m.servers[i]
		fmt.Fprintf(&b, "%s: %s, %d missed, resumed %s\n", output.Clean(c.Server), output.Plural(int(c.Events), "event"), c.Missed, output.Plural(c.Resumed, "time"))
	}
	return b.String()
}
