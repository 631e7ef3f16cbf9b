package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"mom.internal/wire"
)

// checkCloudEvent checks a line against the rules of CloudEvents 1.0 and its
// JSON format. It returns the attributes, and the event in data.
func checkCloudEvent(line string) (map[string]string, *wire.Event, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &members); err != nil {
		return nil, nil, err
	}
	attrs := make(map[string]string)
	e := new(wire.Event)
	for name, raw := range members {
		if name == "data" {
			if err := json.Unmarshal(raw, e); err != nil {
				return nil, nil, err
			}
			continue
		}
		if !regexp.MustCompile(`^[a-z0-9]{1,20}$`).MatchString(name) {
			return nil, nil, fmt.Errorf("attribute name %q", name)
		}
		var value string
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if value == "" || strings.ContainsFunc(value, unfit) {
			return nil, nil, fmt.Errorf("%s is %q", name, value)
		}
		attrs[name] = value
	}
	for _, name := range []string{"id", "source", "specversion", "type"} { // REQUIRED
		if attrs[name] == "" {
			return nil, nil, fmt.Errorf("no %s", name)
		}
	}
	if attrs["specversion"] != "1.0" {
		return nil, nil, fmt.Errorf("specversion %q", attrs["specversion"])
	}
	if _, err := url.Parse(attrs["source"]); err != nil {
		return nil, nil, err
	}
	if text, ok := attrs["time"]; ok {
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			return nil, nil, err
		}
	}
	if kind, _, err := mime.ParseMediaType(attrs["datacontenttype"]); err != nil || kind != "application/json" {
		return nil, nil, fmt.Errorf("datacontenttype %q, %v", attrs["datacontenttype"], err)
	}
	return attrs, e, nil
}

// unfit reports whether a string attribute must not have r, because r is a
// control character or no character.
func unfit(r rune) bool {
	return unicode.IsControl(r) || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef || r == unicode.ReplacementChar
}

func cloudLine(t *testing.T, e *wire.Event) string {
	t.Helper()
	var out strings.Builder
	if err := (cloudPrinter{&out}).Print("", e); err != nil {
		t.Fatal(err)
	}
	line, rest, ok := strings.Cut(out.String(), "\n")
	if !ok || rest != "" {
		t.Fatalf("no single line: %q", out.String())
	}
	return line
}

// TestCloudEvent fixes one line, because programs rely on it.
func TestCloudEvent(t *testing.T) {
	e := event(42, wire.PackageCompleted, func(e *wire.Event) { e.Missed = 7 })
	run := e.RunID.String()
	want := `{"specversion":"1.0","id":"` + e.Epoch.String() + `/42","source":"urn:uuid:` + e.JobID.String() + `",` +
		`"type":"mom.mirroring.PackageCompleted","subject":"` + run + `/package/2","time":"2026-11-23T10:24:03.262Z",` +
		`"datacontenttype":"application/json","sequence":"00000000000000000042","data":` + jsonLine(t, e) + `}`
	if line := cloudLine(t, e); line != want {
		t.Errorf("got\n%s\nwant\n%s", line, want)
	}
	attrs, _, err := checkCloudEvent(cloudLine(t, event(1, wire.JobCompleted, func(e *wire.Event) { e.Data.Status.Final = true })))
	if err != nil || attrs["outcome"] != "Succeeded" || attrs["subject"] != run || attrs["type"] != "mom.mirroring.JobCompleted" {
		t.Errorf("%v, %v", attrs, err)
	}
}

// TestCloudEventRules: every event, even a hostile one, keeps to the rules, and
// sequences sort as their numbers do.
func TestCloudEventRules(t *testing.T) {
	hostile := "\x00\x1b[2J\u202e\ufffe\xff\n\"" + strings.Repeat("x", 1000)
	last := ""
	for i, seq := range []uint64{0, 1, 9, 10, 99, 100, 1 << 32, 1<<64 - 1} {
		for _, s := range append(wire.States(), 0) {
			for _, when := range []time.Time{at, {}, time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), at.In(time.FixedZone("", 25*3600))} {
				e := event(seq, s, func(e *wire.Event) {
					e.Data.Status.SentTime, e.Data.Status.ReceivedTime, e.Data.Initialize.LastExecution = when, when, when
					e.Data.Initialize.Name = hostile
					e.Data.Body = &wire.PackageBody{Item: hostile}
					e.Data.Status.Log = []wire.LogEntry{{Time: when, Item: hostile, Message: hostile}}
				})
				attrs, back, err := checkCloudEvent(cloudLine(t, e))
				if err != nil {
					t.Fatalf("state %d, %v: %v", s, when, err)
				}
				if back.Seq != seq || back.JobID != e.JobID || back.Epoch != e.Epoch {
					t.Errorf("data is %+v", back)
				}
				if _, said := attrs["time"]; said != (when.Equal(at)) {
					t.Errorf("time of %v is %q", when, attrs["time"])
				}
				if i > 0 && attrs["sequence"] < last {
					t.Errorf("%s does not sort after %s", attrs["sequence"], last)
				}
				last = attrs["sequence"]
			}
		}
	}
}

// TestCloudEventChecks: checkCloudEvent refuses lines that break the rules.
func TestCloudEventChecks(t *testing.T) {
	good := cloudLine(t, event(1, wire.JobInitialized, nil))
	for _, change := range [][2]string{
		{`"specversion":"1.0"`, `"specversion":"1.1"`}, {`"specversion":"1.0"`, `"specversion":1.0`}, {`"id":`, `"ID":`}, {`"id":`, `"other":`},
		{`"source":"urn:`, `"source":":`}, {`"type":"mom`, `"type":"\u0007mom`}, {`"time":"2026`, `"time":"26`}, {`application/json`, `a/b/c`},
		{`"sequence":"0`, `"sequence":"\ufffe`}, {`"data":{`, `"data":[],"x":{`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if _, _, err := checkCloudEvent(bad); bad == good || err == nil {
			t.Errorf("%s passes: %s", change[1], bad)
		}
	}
}

// TestCloudEventsFailure returns the error of a write.
func TestCloudEventsFailure(t *testing.T) {
	full := errors.New("full")
	r, w := io.Pipe()
	r.CloseWithError(full)
	if err := New("cloudevents", w).Print("", event(1, wire.JobInitialized, nil)); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}
