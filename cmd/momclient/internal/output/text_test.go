package output

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/internal/clean"
	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/wire"
)

// at is the time of the events.
var at = time.Date(2026, 11, 23, 10, 24, 3, 262_000_000, time.UTC)

func id(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

// event returns an event of a run of the job "site to staging", with three
// packages and two MiB.
func event(seq uint64, state wire.State, change func(*wire.Event)) *wire.Event {
	e := &wire.Event{
		Seq: seq, JobID: id("site"), RunID: id("run"), Epoch: id("epoch"),
		Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: "site to staging", Packages: 3, Bytes: 2 << 20},
			Status:     wire.Status{State: state, SentTime: at.Add(-time.Second), ReceivedTime: at},
			Progress:   wire.Progress{PackagesTotal: 3, FilesTotal: 69, BytesTotal: 2 << 20},
		},
	}
	if state != wire.JobInitialized && state != wire.JobCompleted && state != wire.ExportingError {
		e.Data.Header, e.Data.Body = &wire.PackageHeader{Number: 2, FileSize: 1 << 20}, &wire.PackageBody{Files: 40}
	}
	if change != nil {
		change(e)
	}
	return e
}

// TestTextLines checks that the columns line up.
func TestTextLines(t *testing.T) {
	var out strings.Builder
	p := newTextPrinter(&out)
	p.loc = time.FixedZone("", 3600)
	for _, e := range []*wire.Event{
		event(1, wire.JobInitialized, nil),
		event(2, wire.PackageInitialized, nil),
		event(3, wire.Transferring, func(e *wire.Event) {
			e.Data.Body.Item = "visit/öppettider.html"
			e.Data.Progress.BytesDone = 2<<20 - 1 // not yet 100 %
		}),
		event(4, wire.Transferred, func(e *wire.Event) { e.Data.Status.ReceivedTime = time.Time{} }),
		event(5, wire.ImportingError, func(e *wire.Event) {
			e.Data.Status.Log = []wire.LogEntry{
				{Severity: wire.SeverityProcessing, Message: "slow"},
				{Severity: wire.SeverityWarning, Item: "a.html", Message: "changed during the run"},
				{Severity: wire.SeverityError, Item: "b.html", Message: "no space left on device"},
			}
		}),
		event(6, wire.JobCompleted, func(e *wire.Event) {
			e.Data.Status.Final = true
			e.Data.Progress = wire.Progress{PackagesDone: 2, PackagesFailed: 1, PackagesTotal: 3, FilesDone: 1, FilesTotal: 69, BytesDone: 1 << 20, BytesTotal: 2 << 20, Warnings: 2, Errors: 1}
		}),
		event(7, wire.JobCompleted, func(e *wire.Event) { // the run has nothing to mirror
			e.Data.Status.Final = true
			e.Data.Progress = wire.Progress{}
			e.Data.Status.Log = []wire.LogEntry{{Severity: wire.SeverityProcessing, Message: "nothing to mirror"}}
		}),
		event(8, wire.Transferring, func(e *wire.Event) {
			e.Missed, e.Snapshot, e.Data.Initialize = 1, true, nil
			e.Data.Progress, e.Data.Status.SentTime, e.Data.Status.ReceivedTime = wire.Progress{BytesDone: 700}, time.Time{}, time.Time{}
		}),
		event(1, wire.JobInitialized, func(e *wire.Event) { e.Epoch, e.Missed = id("next epoch"), 1<<64-1 }),
	} {
		if err := p.Print("", e); err != nil {
			t.Fatal(err)
		}
	}
	want := `
2026-11-23 11:24:03.262       1  site to staging  JobInitialized               0%           0 B/2.0 MiB
2026-11-23 11:24:03.262       2  site to staging  PackageInitialized #2/3      0%           0 B/2.0 MiB
2026-11-23 11:24:03.262       3  site to staging  Transferring       #2/3     99%       2.0 MiB/2.0 MiB  visit/öppettider.html
2026-11-23 11:24:02.262       4  site to staging  Transferred        #2/3      0%           0 B/2.0 MiB
2026-11-23 11:24:03.262       5  site to staging  ImportingError     #2/3      0%           0 B/2.0 MiB  note: slow; warning: a.html: changed during the run; error: b.html: no space left on device
2026-11-23 11:24:03.262       6  site to staging  JobCompleted!               50%       1.0 MiB/2.0 MiB  with errors: 1 file, 2 packages, 1 package failed, 2 warnings, 1 error
2026-11-23 11:24:03.262       7  site to staging  JobCompleted               100%                        succeeded: 0 files, 0 packages; note: nothing to mirror
--- missed 1 event ---
-                             8  ` + id("site").String() + `  Transferring       #2         –                 700 B  [snapshot]
--- the server was restarted: epoch ` + id("next epoch").String() + `, sequence numbers begin again ---
--- missed 18446744073709551615 events ---
2026-11-23 11:24:03.262       1  site to staging                       JobInitialized               0%           0 B/2.0 MiB
`
	if got := "\n" + out.String(); got != want {
		t.Errorf("got%swant%s", got, want)
	}
}

// TestTextOutcomes: the last line of a run has the outcome and what was done
// besides, and each line of a dry run has a mark.
func TestTextOutcomes(t *testing.T) {
	for _, tc := range []struct {
		change func(*wire.Event)
		state  string
		want   string
	}{
		{func(e *wire.Event) { e.Data.Status.Outcome = wire.Succeeded }, "JobCompleted", "succeeded: 0 files, 0 packages"},
		{func(e *wire.Event) { e.Data.Status.Outcome = wire.Failed }, "JobCompleted!", "failed: 0 files, 0 packages"},
		{func(e *wire.Event) { e.Data.Status.State, e.Data.Status.Outcome = wire.ExportingError, wire.Cancelled }, "ExportingError", "cancelled: 0 files, 0 packages"},
		{func(e *wire.Event) { e.Data.Status.Outcome = 9 }, "JobCompleted!", "Outcome(9): 0 files, 0 packages"},
		{func(e *wire.Event) {
			e.Data.Initialize.DryRun = true
			e.Data.Progress = wire.Progress{FilesSkipped: 1, FilesDeleted: 2, FilesChecked: 3, Retries: 1}
		}, "JobCompleted", "[dry run]; succeeded: 0 files, 0 packages, 1 skipped, 2 deleted, 3 checked, 1 retry"},
		{func(e *wire.Event) { e.Data.Progress = wire.Progress{Retries: 2} }, "JobCompleted", "succeeded: 0 files, 0 packages, 2 retries"},
		{func(e *wire.Event) {
			e.Data.Status.State, e.Data.Status.Final = wire.JobInitialized, false
			e.Data.Body, e.Data.Progress = &wire.PackageBody{Item: "a.html"}, wire.Progress{FilesChecked: 7}
		}, "JobInitialized", "a.html; 7 files checked"},
	} {
		e := event(1, wire.JobCompleted, func(e *wire.Event) { e.Data.Status.Final = true })
		tc.change(e)
		if state, got := shortState(e), strings.Join(details(e), "; "); state != tc.state || got != tc.want {
			t.Errorf("%s, %s; want %s, %s", state, got, tc.state, tc.want)
		}
	}
}

// TestNameColumn grows with the names up to its bound, and counts columns, not
// bytes.
func TestNameColumn(t *testing.T) {
	var out strings.Builder
	p := newTextPrinter(&out)
	for _, name := range []string{"a", "öööööööööööööööö", "日本日本日本日本日", strings.Repeat("n", maxNameWidth+20), strings.Repeat("日", maxNameWidth), "b"} {
		p.Print("", event(1, wire.JobInitialized, func(e *wire.Event) { e.Data.Initialize.Name = name }))
	}
	var columns []int
	for line := range strings.Lines(out.String()) {
		columns = append(columns, width.String(line[:strings.Index(line, "JobInitialized")]))
	}
	const before = 23 + 1 + 7 + 2 + 2
	want := []int{before + minNameWidth, before + 16, before + 18, before + maxNameWidth, before + maxNameWidth, before + maxNameWidth}
	if !slices.Equal(columns, want) {
		t.Errorf("the states stand at %v, want %v", columns, want)
	}
}

// TestClipMiddle keeps the beginning and the end.
func TestClipMiddle(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"", 4, ""}, {"abcd", 4, "abcd"}, {"abcde", 4, "a…de"}, {"abcdef", 5, "ab…ef"}, {"日本日本", 8, "日本日本"}, {"日本日本", 7, "日…日本"}, {"日本日本", 6, "日…本"}, {"e\u0301e\u0301e\u0301e\u0301", 3, "e\u0301…e\u0301"},
		{"/srv/site/a to /mnt/staging/site/b", 20, "/srv/site…ing/site/b"},
	} {
		if got := ClipMiddle(tc.text, tc.n); got != tc.want || width.String(got) > tc.n {
			t.Errorf("%q in %d columns: %q, want %q", tc.text, tc.n, got, tc.want)
		}
	}
}

// TestTextHostile writes one line, whatever the texts are.
func TestTextHostile(t *testing.T) {
	const evil = "x\n2026\r\x1b[2J\u202e\u009b\xff"
	var out strings.Builder
	newTextPrinter(&out).Print("", event(1, wire.ImportingError, func(e *wire.Event) {
		e.Data.Initialize.Name, e.Data.Body.Item = evil, evil
		e.Data.Status.Log = []wire.LogEntry{{Severity: wire.SeverityError, Item: evil, Message: evil}}
		e.Data.Status.State = 200
	}))
	line, rest, _ := strings.Cut(out.String(), "\n")
	if rest != "" || strings.IndexFunc(line, clean.Hidden) >= 0 || strings.Count(line, `x\n2026\r\x1b[2J\u202e\u009b\xff`) != 4 || !strings.Contains(line, "State(200)") {
		t.Errorf("%q", out.String())
	}
}

// TestNilName shows a job without a name by its ID.
func TestNilName(t *testing.T) {
	var out strings.Builder
	newTextPrinter(&out).Print("", &wire.Event{Seq: 1})
	if !strings.Contains(out.String(), uuid.Nil.String()) || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%q", out.String())
	}
}
