package output

import (
	"fmt"
	"io"
	"strings"
	"time"

	"mom.internal/wire"
)

// cloudType is what the type of every CloudEvent begins with; the state's name
// stands behind it, as in mom.mirroring.JobInitialized.
const cloudType = "mom.mirroring."

// cloudEvent is an event in the JSON format of CloudEvents 1.0.
type cloudEvent struct {
	SpecVersion     string      `json:"specversion"`
	ID              string      `json:"id"`     // EPOCH/SEQ: one event has the same for everybody, and in a snapshot
	Source          string      `json:"source"` // the job, urn:uuid:JOBID
	Type            string      `json:"type"`
	Subject         string      `json:"subject"` // RUNID, or RUNID/package/NUMBER
	Time            string      `json:"time,omitempty"`
	DataContentType string      `json:"datacontenttype"`
	Sequence        string      `json:"sequence"` // the extension of this name: Seq, so that it sorts as text within an epoch
	Data            *wire.Event `json:"data"`     // as -o json writes it
}

// cloudPrinter writes a CloudEvent a line.
type cloudPrinter struct{ w io.Writer }

func (p cloudPrinter) Print(e *wire.Event) error {
	return writeJSON(p.w, cloudEvent{
		SpecVersion: "1.0", ID: e.Cursor().String(), Source: e.JobID.URN(),
		Type: cloudType + stateName(e.Data.Status.State), Subject: cloudSubject(e), Time: cloudTime(e),
		DataContentType: "application/json", Sequence: fmt.Sprintf("%020d", e.Seq), Data: withTimes(e),
	})
}

// stateName is the state's Go name; "unknown" where this version has none.
func stateName(s wire.State) string {
	if !s.Valid() {
		return "unknown"
	}
	return strings.TrimPrefix(s.String(), "Mirroring")
}

func cloudSubject(e *wire.Event) string {
	if e.Data.Header == nil {
		return e.RunID.String()
	}
	return fmt.Sprintf("%v/package/%d", e.RunID, e.Data.Header.Number)
}

// cloudTime is when the change was over, as RFC 3339 has it; "" where the
// event does not say it, or has a year that cannot be said.
func cloudTime(e *wire.Event) string {
	s := &e.Data.Status
	for _, t := range []time.Time{s.ReceivedTime, s.SentTime} {
		if t = t.UTC(); !t.IsZero() && sayable(t) {
			return t.Format(time.RFC3339Nano)
		}
	}
	return ""
}
