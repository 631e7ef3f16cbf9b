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
				LastExecution: at, FilesInPackages: 6, PagesInPackages: 7, Packages: 8, Bytes: 9, ContinueOnError: true, DryRun: true,
			},
			Header: &PackageHeader{Number: 10, FileSize: 11, TargetFilePath: "p.tar", SizeOfSentData: 12, SizeOfReceivedData: 13},
			Body:   &PackageBody{Pages: 14, Files: 15, Item: "a.html"},
			Status: Status{
				State: Transferring, Final: true, Outcome: Cancelled, SentTime: at, ReceivedTime: at.Add(time.Second),
				Log: []LogEntry{{Time: at, Severity: SeverityWarning, Item: "b.html", Message: "odd"}},
			},
			Progress: Progress{
				PackagesDone: 16, PackagesFailed: 17, PackagesTotal: 18, FilesDone: 19, FilesTotal: 20,
				BytesDone: 21, BytesTotal: 22, OpenThousandths: 29, FilesSkipped: 25, FilesDeleted: 26, FilesChecked: 27, Retries: 28,
				Warnings: 23, Errors: 24,
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
   "continueOnError": true,
   "dryRun": true
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
   "outcome": "Cancelled",
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
   "openThousandths": 29,
   "filesSkipped": 25,
   "filesDeleted": 26,
   "filesChecked": 27,
   "retries": 28,
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
	with := func(state State, final bool, outcome Outcome, p Progress, log ...Severity) *Event {
		e := &Event{Data: TransferData{Status: Status{State: state, Final: final, Outcome: outcome}, Progress: p}}
		for _, s := range log {
			e.Data.Status.Log = append(e.Data.Status.Log, LogEntry{Severity: s})
		}
		return e
	}
	none := Progress{}
	for _, tc := range []struct {
		e        *Event
		outcome  Outcome
		severity Severity
	}{
		{with(Transferring, false, 0, none), 0, SeverityProcessing},
		{with(Transferring, false, 0, Progress{PackagesFailed: 1, Errors: 1}, SeverityProcessing, SeverityWarning), 0, SeverityWarning},
		{with(Transferring, false, 0, none, SeverityError, SeverityProcessing), 0, SeverityError},
		{with(ImportingError, false, 0, Progress{PackagesFailed: 1, Errors: 1}), 0, SeverityError},
		{with(JobCompleted, false, Succeeded, none), 0, SeverityProcessing}, // of a run that has not ended

		// The outcome that the server gave counts, whatever else the event holds.
		{with(JobCompleted, true, Succeeded, Progress{Errors: 1}), Succeeded, SeverityProcessing},
		{with(JobCompleted, true, SucceededWithErrors, none), SucceededWithErrors, SeverityError},
		{with(JobCompleted, true, Failed, none), Failed, SeverityError},
		{with(ExportingError, true, Cancelled, none), Cancelled, SeverityWarning},
		{with(ExportingError, true, Cancelled, none, SeverityError), Cancelled, SeverityError},
		{with(JobCompleted, true, 9, none), 9, SeverityProcessing},

		// Of a server that gives none, it is derived.
		{with(JobCompleted, true, 0, none), Succeeded, SeverityProcessing},
		{with(JobCompleted, true, 0, none, SeverityWarning), Succeeded, SeverityWarning},
		{with(JobCompleted, true, 0, Progress{PackagesDone: 1, PackagesFailed: 1}), SucceededWithErrors, SeverityError},
		{with(JobCompleted, true, 0, Progress{PackagesDone: 1, Errors: 1}), SucceededWithErrors, SeverityError},
		{with(JobCompleted, true, 0, Progress{Errors: 1}), SucceededWithErrors, SeverityError}, // there was nothing to move
		{with(JobCompleted, true, 0, Progress{PackagesFailed: 1}), Failed, SeverityError},
		{with(JobCompleted, true, 0, Progress{Errors: 1, PackagesTotal: 1}), Failed, SeverityError},
		{with(JobCompleted, true, 0, Progress{Errors: 1, FilesTotal: 1}), Failed, SeverityError},
		{with(JobCompleted, true, 0, Progress{Errors: 1, BytesTotal: 1}), Failed, SeverityError},
		{with(ExportingError, true, 0, Progress{PackagesDone: 1}), Failed, SeverityError},
		{with(ImportingError, true, 0, none), Failed, SeverityError},
	} {
		if outcome, severity := tc.e.Outcome(), tc.e.Severity(); outcome != tc.outcome || severity != tc.severity {
			t.Errorf("%+v: outcome %v, severity %v; want %v, %v", tc.e.Data, outcome, severity, tc.outcome, tc.severity)
		}
	}
	full := fullEvent()
	if !full.Cursor().IsZero() {
		t.Errorf("an event of a snapshot has the cursor %v", full.Cursor())
	}
	full.Snapshot = false
	if full.Cursor() != (Cursor{uuid.UUID{3}, 42}) || full.Name() != "site" || !full.EndsRun() || new(Event).Name() != "" || new(Event).EndsRun() {
		t.Errorf("%v %q %v", full.Cursor(), full.Name(), full.EndsRun())
	}
	for _, tc := range []struct {
		p        Progress
		known    bool
		fraction float64
	}{
		{Progress{}, false, 0},
		{Progress{BytesDone: 5, PackagesDone: 1, OpenThousandths: 500, FilesTotal: 3}, false, 0},
		{Progress{BytesDone: 1, BytesTotal: 4, PackagesDone: 1, PackagesTotal: 2}, true, 0.25},
		{Progress{BytesTotal: 4}, true, 0},
		{Progress{BytesDone: 9, BytesTotal: 4}, true, 1},
		{Progress{PackagesDone: 1, PackagesTotal: 2}, true, 0.5},
		{Progress{PackagesDone: 1, OpenThousandths: 1250, PackagesTotal: 5}, true, 0.45},
		{Progress{PackagesDone: 2, OpenThousandths: 500, PackagesTotal: 2}, true, 1},
	} {
		if known, fraction := tc.p.Known(), tc.p.Fraction(); known != tc.known || fraction != tc.fraction {
			t.Errorf("%+v: known %v, %v; want %v, %v", tc.p, known, fraction, tc.known, tc.fraction)
		}
	}
}
