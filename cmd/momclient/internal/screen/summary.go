package screen

import (
	"fmt"
	"strings"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// maxSummary bounds the number of jobs in the summary.
const maxSummary = 20

// summary describes in plain lines how things stand when the monitor ends: a
// line for each job, with the last error if the job failed or had errors, and a
// line for the stream.
func (s *layout) summary(v *board.View) string {
	var b strings.Builder
	shown := v.Jobs[:min(len(v.Jobs), maxSummary)]
	for i := range shown {
		j := &shown[i]
		fmt.Fprintf(&b, "%s: %s", jobName(j), stateWord(&j.Run, false))
		fmt.Fprintf(&b, ", %s", output.Summary(&j.Run.Progress))
		if n := j.Run.Progress.BytesDone; n > 0 {
			b.WriteString(", " + output.Size(n))
		}
		if took := j.Run.Ended.Sub(j.Run.Started); !j.Run.Started.IsZero() && took > 0 {
			fmt.Fprintf(&b, " in %v", took.Round(time.Millisecond*100))
		}
		b.WriteByte('\n')
		s.worst(&b, v, j)
	}
	if more := len(v.Jobs) - len(shown); more > 0 {
		fmt.Fprintf(&b, "%s and %s\n", s.look.ellipsis(), output.Plural(more, "more job"))
	}
	c := &v.Connection
	fmt.Fprintf(&b, "%s: %s, %d missed, resumed %s\n", output.Clean(c.Server), output.Plural(int(c.Events), "event"), c.Missed, output.Plural(c.Resumed, "time"))
	return b.String()
}

// worst writes the last error of the job, if it is in the view.
func (s *layout) worst(b *strings.Builder, v *board.View, j *jobs.Job) {
	if j.Run.Progress.Errors == 0 && j.Run.Outcome != wire.Failed {
		return
	}
	for i := range v.Problems {
		e := &v.Problems[i]
		if e.RunID != j.Run.ID || e.Severity < wire.SeverityError {
			continue
		}
		b.WriteString("  ")
		if e.Item != "" {
			b.WriteString(output.Clean(e.Item) + ": ")
		}
		b.WriteString(output.Clean(e.Message) + "\n")
		return
	}
}
