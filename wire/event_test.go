package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/uuid"
)

// fullEvent has every field set.
func fullEvent() Event {
	at := time.Date(2010, 3, 4, 5, 6, 7, 89_000_000, time.UTC)
	return Event{
		Seq: 42, JobID: uuid.UUID{1}, RunID: uuid.UUID{2}, Epoch: uuid.UUID{3}, Missed: 4, Snapshot: true,
		Data: TransferData{
			Initialize: &InitializeData{
				Name: "site", DestinationPageGUID: uuid.UUID{5}, SourcePath: "/src", DestinationPath: "/dst", DestinationRoot: "/",
				LastExecution: at, FilesInPackages: 6, PagesInPackages: 7, Packages: 8, Bytes: 9, ContinueOnError: true,
			},
			Header: &PackageHeader{Number: 10, FileSize: 11, TargetFilePath: "p.tar", SizeOfSentData: 12, SizeOfReceivedData: 13},
			Body:   &PackageBody{Pages: 14, Files: 15, Item: "a.html"},
			Status: Status{
				State: Transferring, Final: true, SentTime: at, ReceivedTime: at.Add(time.Second),
				Log: []LogEntry{{Time: at, Severity: SeverityWarning, Item: "b.html", Message: "odd"}},
			},
			Progress: Progress{
				PackagesDone: 16, PackagesFailed: 17, PackagesTotal: 18, FilesDone: 19, FilesTotal: 20,
				BytesDone: 21, BytesTotal: 22, Warnings: 23, Errors: 24,
			},
		},
	}
}

const fullJSON = `{
 "seq": 42,
 "jobID": "01000000-0000-0000-0000-000000000000",
 "runID": "02000000-0000-0000-0000-000000000000",
 "data": {
  "initialize": {
   "name": "site",
   "destinationPageGUID": "05000000-0000-0000-0000-000000000000",
   "sourcePath": "/src",
   "destinationPath": "/dst",
   "destinationRoot": "/",
   "lastExecution": "2010-03-04T05:06:07.089Z",
   "filesInPackages": 6,
   "pagesInPackages": 7,
   "packages": 8,
   "bytes": 9,
   "continueOnError": true
  },
  "header": {
   "number": 10,
   "fileSize": 11,
   "targetFilePath": "p.tar",
   "sizeOfSentData": 12,
   "sizeOfReceivedData": 13
  },
  "body": {
   "pages": 14,
   "files": 15,
   "item": "a.html"
  },
  "status": {
   "state": "Transferring",
   "final": true,
   "log": [
    {
     "time": "2010-03-04T05:06:07.089Z",
     "severity": "Warning",
     "item": "b.html",
     "message": "odd"
    }
   ],
   "sentTime": "2010-03-04T05:06:07.089Z",
   "receivedTime": "2010-03-04T05:06:08.089Z"
  },
  "progress": {
   "packagesDone": 16,
   "packagesFailed": 17,
   "packagesTotal": 18,
   "filesDone": 19,
   "filesTotal": 20,
   "bytesDone": 21,
   "bytesTotal": 22,
   "warnings": 23,
   "errors": 24
  }
 },
 "epoch": "03000000-0000-0000-0000-000000000000",
 "missed": 4,
 "snapshot": true
}`

// TestEventJSON pins the JSON of a full and of an empty event, both ways.
func TestEventJSON(t *testing.T) {
	full := fullEvent()
	if unset := unsetIn(reflect.ValueOf(full), "Event"); unset != "" {
		t.Fatalf("%s is not set: the golden event is to have every field", unset)
	}
	got, err := json.MarshalIndent(full, "", " ")
	if err != nil || string(got) != fullJSON {
		t.Errorf("%s, %v", got, err)
	}
	var back Event
	if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, full) {
		t.Errorf("it comes back as %+v, %v", back, err)
	}
	const empty = `{"seq":0,"jobID":"00000000-0000-0000-0000-000000000000","runID":"00000000-0000-0000-0000-000000000000",` +
		`"data":{"status":{"state":""},"progress":{"packagesDone":0,"packagesFailed":0,"packagesTotal":0,` +
		`"filesDone":0,"filesTotal":0,"bytesDone":0,"bytesTotal":0,"warnings":0,"errors":0}}}`
	if got, err := json.Marshal(Event{}); err != nil || string(got) != empty {
		t.Errorf("an empty event is %s, %v", got, err)
	}
}

// unsetIn returns the path of a field that is zero, "" for none.
func unsetIn(v reflect.Value, path string) string {
	switch {
	case v.IsZero():
		return path
	case v.Kind() == reflect.Pointer:
		return unsetIn(v.Elem(), path)
	case v.Kind() == reflect.Slice:
		return unsetIn(v.Index(0), path)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			if unset := unsetIn(v.Field(i), path+"."+v.Type().Field(i).Name); unset != "" {
				return unset
			}
		}
	}
	return ""
}

// TestJSONNames: each name is the Go field's, its first letter in lower case.
func TestJSONNames(t *testing.T) {
	seen := make(map[reflect.Type]bool)
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			want := []rune(f.Name)
			want[0] = unicode.ToLower(want[0])
			if name != string(want) {
				t.Errorf("%v.%s is %q in JSON; want %q", typ, f.Name, name, string(want))
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Event]())
	walk(reflect.TypeFor[Cursor]())
	if len(seen) < 8 {
		t.Errorf("looked at %d types", len(seen))
	}
}

// TestEventSays checks what an event answers about itself.
func TestEventSays(t *testing.T) {
	event := func(state State, failed, errs int, log ...Severity) *Event {
		e := &Event{Data: TransferData{Status: Status{State: state}, Progress: Progress{PackagesFailed: failed, Errors: errs}}}
		for _, s := range log {
			e.Data.Status.Log = append(e.Data.Status.Log, LogEntry{Severity: s})
		}
		return e
	}
	for _, tc := range []struct {
		e          *Event
		severity   Severity
		withErrors bool
	}{
		{event(Transferring, 0, 0), SeverityProcessing, false},
		{event(Transferring, 1, 1, SeverityProcessing, SeverityWarning), SeverityWarning, false},
		{event(Transferring, 0, 0, SeverityError, SeverityProcessing), SeverityError, false},
		{event(ImportingError, 1, 1), SeverityError, false},
		{event(JobCompleted, 0, 0), SeverityProcessing, false},
		{event(JobCompleted, 1, 0), SeverityError, true},
		{event(JobCompleted, 0, 1), SeverityError, true},
	} {
		if got := tc.e.Severity(); got != tc.severity {
			t.Errorf("%+v: severity %v", tc.e.Data.Status, got)
		}
		if got := tc.e.CompletedWithErrors(); got != tc.withErrors {
			t.Errorf("%+v: completed with errors %v", tc.e.Data, got)
		}
	}
	full := fullEvent()
	if full.Cursor() != (Cursor{uuid.UUID{3}, 42}) || full.Name() != "site" || !full.EndsRun() || new(Event).Name() != "" || new(Event).EndsRun() {
		t.Errorf("%v %q %v", full.Cursor(), full.Name(), full.EndsRun())
	}
	for _, tc := range []struct {
		p    Progress
		want float64
	}{
		{Progress{}, 0}, {Progress{BytesDone: 5}, 0}, {Progress{BytesDone: 1, BytesTotal: 4, PackagesDone: 1, PackagesTotal: 2}, 0.25},
		{Progress{BytesDone: 9, BytesTotal: 4}, 1}, {Progress{PackagesDone: 1, PackagesTotal: 2}, 0.5}, {Progress{PackagesDone: 3, PackagesTotal: 2}, 1},
	} {
		if got := tc.p.Fraction(); got != tc.want {
			t.Errorf("%+v: %v; want %v", tc.p, got, tc.want)
		}
	}
}
