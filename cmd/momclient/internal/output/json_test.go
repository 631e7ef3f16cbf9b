package output

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/internal/clean"
	"mom.internal/wire"
)

func jsonLine(t *testing.T, e *wire.Event) string {
	t.Helper()
	var out strings.Builder
	if err := (jsonPrinter{&out}).Print("", e); err != nil {
		t.Fatal(err)
	}
	line, rest, ok := strings.Cut(out.String(), "\n")
	if !ok || rest != "" {
		t.Fatalf("no single line: %q", out.String())
	}
	return line
}

// TestJSONLine fixes one line, because programs rely on it.
func TestJSONLine(t *testing.T) {
	e := event(42, wire.PackageCompleted, func(e *wire.Event) {
		e.Missed, e.Snapshot = 7, true
		e.Data.Initialize.LastExecution = at.Add(-time.Hour)
		e.Data.Body.Item = "R&D/<a>.html"
		e.Data.Status.Log = []wire.LogEntry{{Time: at, Severity: wire.SeverityWarning, Item: "a", Message: "m"}}
	})
	want := `{"seq":42,"jobID":"` + e.JobID.String() + `","runID":"` + e.RunID.String() + `","data":{` +
		`"initialize":{"name":"site to staging","lastExecution":"2026-11-23T09:24:03.262Z","filesInPackages":0,"pagesInPackages":0,"packages":3,"bytes":2097152},` +
		`"header":{"number":2,"fileSize":1048576,"sizeOfSentData":0,"sizeOfReceivedData":0},` +
		`"body":{"pages":0,"files":40,"item":"R&D/<a>.html"},` +
		`"status":{"state":"MirroringPackageCompleted","log":[{"time":"2026-11-23T10:24:03.262Z","severity":"Warning","item":"a","message":"m"}],` +
		`"sentTime":"2026-11-23T10:24:02.262Z","receivedTime":"2026-11-23T10:24:03.262Z"},` +
		`"progress":{"packagesDone":0,"packagesFailed":0,"packagesTotal":3,"filesDone":0,"filesTotal":69,"bytesDone":0,"bytesTotal":2097152,"warnings":0,"errors":0}},` +
		`"epoch":"` + e.Epoch.String() + `","missed":7,"snapshot":true}`
	line := jsonLine(t, e)
	if line != want {
		t.Errorf("got\n%s\nwant\n%s", line, want)
	}
	var back wire.Event
	if err := json.Unmarshal([]byte(line), &back); err != nil || !reflect.DeepEqual(&back, e) {
		t.Errorf("read again it is %+v, %v", back, err)
	}
}

// TestJSONNames checks that every name is in lowerCamelCase, those of later
// fields, too.
func TestJSONNames(t *testing.T) {
	camel := regexp.MustCompile(`^[a-z]+([A-Z][a-z]*|ID|GUID)*$`)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !camel.MatchString(name) || !strings.EqualFold(name, f.Name) {
				t.Errorf("%v.%s is called %q", typ, f.Name, name)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[wire.Event]())
}

// TestJSONHostile escapes characters that could control a terminal, without a
// change of meaning.
func TestJSONHostile(t *testing.T) {
	const evil = "x\n\x1b[2J\x7f\u009b\u202e\u2028\U000e0001 å"
	e := event(1, wire.Transferring, func(e *wire.Event) { e.Data.Initialize.Name, e.Data.Body.Item = evil, "bad\xff" })
	line := jsonLine(t, e)
	if strings.IndexFunc(line, clean.Hidden) >= 0 {
		t.Errorf("%q", line)
	}
	var back wire.Event
	if err := json.Unmarshal([]byte(line), &back); err != nil || back.Name() != evil || back.Data.Body.Item != "bad\ufffd" {
		t.Errorf("read again it is %q, %v", back.Name(), err)
	}
}

// TestJSONTimes leaves out times that RFC 3339 cannot express, so that no event
// of a broken server ends the monitor.
func TestJSONTimes(t *testing.T) {
	far := time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	e := event(1, wire.JobInitialized, func(e *wire.Event) {
		e.Data.Initialize.LastExecution, e.Data.Status.SentTime = far, far
		e.Data.Status.Log = []wire.LogEntry{{Time: far, Message: "m"}}
	})
	var back wire.Event
	if err := json.Unmarshal([]byte(jsonLine(t, e)), &back); err != nil {
		t.Fatal(err)
	}
	s := &back.Data.Status
	if !back.Data.Initialize.LastExecution.IsZero() || !s.SentTime.IsZero() || !s.Log[0].Time.IsZero() || !s.ReceivedTime.Equal(at) {
		t.Errorf("%+v", back)
	}
	if e.Data.Initialize.LastExecution != far || e.Data.Status.Log[0].Time != far {
		t.Error("the event itself was changed")
	}
}
