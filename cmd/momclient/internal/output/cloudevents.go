package output

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"mom.internal/wire"
)

// cloudType is the beginning of every type. The name of the state follows, as
// in mom.mirroring.JobInitialized.
const cloudType = "mom.mirroring."

type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`     // EPOCH/SEQ: the same for all subscribers, and in a snapshot
	Source          string    `json:"source"` // the job, urn:uuid:JOBID; with several servers mom://SERVER/JOBID
	Type            string    `json:"type"`
	Subject         string    `json:"subject"` // RUNID, or RUNID/package/NUMBER
	Time            string    `json:"time,omitempty"`
	DataContentType string    `json:"datacontenttype"`
	Sequence        string    `json:"sequence"`          // the extension of this name: Seq with leading zeros, so that it sorts as text
	Outcome         string    `json:"outcome,omitempty"` // an extension: how the run ended, in its last event
	Server          string    `json:"server,omitempty"`  // an extension: the name of the server, if there are several
	Data            jsonEvent `json:"data"`              // as -o json writes it
}

// cloudPrinter writes each event as a line with a CloudEvent.
type cloudPrinter struct{ w io.Writer }

func (p cloudPrinter) Print(server string, e *wire.Event) error {
	source := e.JobID.URN()
	if server != "" {
		source = (&url.URL{Scheme: "mom", Host: server, Path: e.JobID.String()}).String()
	}
	return writeJSON(p.w, cloudEvent{
		SpecVersion: "1.0", ID: wire.Cursor{Epoch: e.Epoch, Seq: e.Seq}.String(), Source: source, Server: server,
		Type: cloudType + stateName(e.Data.Status.State), Subject: cloudSubject(e), Time: cloudTime(e),
		DataContentType: "application/json", Sequence: fmt.Sprintf("%020d", e.Seq), Outcome: e.Outcome().String(), Data: jsonEvent{server, withTimes(e)},
	})
}

// stateName returns the Go name of the state, or "unknown" if this version has
// none.
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

// cloudTime returns the time at which the change was over, as in RFC 3339, or
// "" if the event has none that RFC 3339 can express.
func cloudTime(e *wire.Event) string {
	s := &e.Data.Status
	for _, t := range []time.Time{s.ReceivedTime, s.SentTime} {
		if t = t.UTC(); !t.IsZero() && expressible(t) {
			return t.Format(time.RFC3339Nano)
		}
	}
	return ""
}
