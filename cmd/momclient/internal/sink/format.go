package sink

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
)

// Formats returns the formats of the messages that are posted to a URL.
func Formats() []string { return []string{"cloudevents", "text", "slack", "ping"} }

// cloudEvent is an alert as a CloudEvent 1.0.
type cloudEvent struct {
	SpecVersion     string       `json:"specversion"`
	ID              uuid.UUID    `json:"id"`     // of the alert
	Source          string       `json:"source"` // the job, urn:uuid:JOBID; or mom://SERVER
	Type            string       `json:"type"`
	Subject         string       `json:"subject,omitempty"` // RUNID, if the alert is about a run
	Time            string       `json:"time"`
	DataContentType string       `json:"datacontenttype"`
	Server          string       `json:"server"` // an extension
	Data            *alert.Alert `json:"data"`
}

// cloudType is the beginning of every type. The kind follows.
const cloudType = "mom.alert."

// encodeCloudEvent returns the alert as a CloudEvent in JSON.
func encodeCloudEvent(a *alert.Alert) ([]byte, error) {
	e := cloudEvent{
		SpecVersion: "1.0", ID: a.ID, Source: a.JobID.URN(), Type: cloudType + string(a.Kind),
		Time: a.Time.Format(time.RFC3339Nano), DataContentType: "application/json", Server: a.Server, Data: a,
	}
	if a.JobID == uuid.Nil {
		e.Source = (&url.URL{Scheme: "mom", Host: a.Server}).String()
	}
	if a.RunID != uuid.Nil {
		e.Subject = a.RunID.String()
	}
	return json.Marshal(e)
}

// body returns the body of a POST, and its content type.
func body(format string, a *alert.Alert) (text []byte, contentType string, err error) {
	switch format {
	case "text", "ping":
		return []byte(a.Text + missed(a) + "\n"), "text/plain; charset=utf-8", nil
	case "slack":
		text, err = json.Marshal(struct {
			Text string `json:"text"`
		}{slackEscaper.Replace(a.Text + missed(a))})
		return text, "application/json", err
	}
	text, err = encodeCloudEvent(a)
	return text, "application/cloudevents+json; charset=utf-8", err
}

// slackEscaper escapes the characters that could make a link or a mention, such as
// <!channel>.
var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// pings reports whether a dead man's switch gets the alert.
func pings(a *alert.Alert) bool {
	_, ok := pingPath(a)
	return ok
}

// pingPath returns the last part of the path of a ping, which follows the URL of
// the dead man's switch. ok is false if the alert is no ping.
func pingPath(a *alert.Alert) (path string, ok bool) {
	switch a.Kind {
	case alert.Started:
		return "start", true
	case alert.Succeeded:
		return "", true
	case alert.Broken:
		return "fail", true
	}
	return "", false
}

// replacesPing reports whether old, which waits, need not be sent, because next is
// a later ping of the same job. So at most three pings of a job wait. Only a later
// failure replaces a failure, so that no success hides it.
func replacesPing(next, old *alert.Alert) bool {
	if next.Server != old.Server || next.JobID != old.JobID {
		return false
	}
	switch old.Kind {
	case alert.Started:
		return true
	case alert.Succeeded:
		return next.Kind != alert.Started
	}
	return next.Kind == old.Kind
}
