//go:build unix

package mirror

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// checkRun checks the events of one run for what is true of all runs.
func checkRun(t testing.TB, events []wire.Event, job uuid.UUID, result Result, err error) {
	t.Helper()
	if len(events) == 0 {
		t.Fatal("no events")
	}
	packages := make(map[int]wire.State)
	first := events[0]
	if first.Data.Status.State != wire.JobInitialized {
		t.Errorf("the run begins with %v", first.Data.Status.State)
	}
	stream := invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	before := wire.Event{}
	vanished := false // an entry of a package; what the package was to have cannot be lowered to nothing
	for i, e := range events {
		state := e.Data.Status.State
		if stream.Event(e); e.JobID != job || e.RunID != first.RunID {
			t.Errorf("event %d of job %v, run %v stands behind %d", e.Seq, e.JobID, e.RunID, before.Seq)
		}
		if e.Data.Status.Final != (i == len(events)-1) {
			t.Errorf("event %d of %d, %v: final %t", i+1, len(events), state, e.Data.Status.Final)
		}
		if e.Data.Progress.BytesDone > e.Data.Progress.BytesTotal || e.Data.Progress.PackagesDone < before.Data.Progress.PackagesDone {
			t.Errorf("event %d, %v: progress %+v", e.Seq, state, e.Data.Progress)
		}
		vanished = vanished || slices.ContainsFunc(e.Data.Status.Log, func(l wire.LogEntry) bool { return l.Message == errVanished.Error() })
		if e.Data.Header != nil {
			checkPackage(t, packages, e, vanished)
		}
		before = e
	}
	if sum := stream.Told(); sum.Fresh != len(events) || sum.Gaps > 0 {
		t.Errorf("of %d events told %+v", len(events), sum)
	}
	checkEnd(t, events[len(events)-1], packages, vanished, result, err)
}

// checkPackage follows an event of a package. packages has the states so far.
func checkPackage(t testing.TB, packages map[int]wire.State, e wire.Event, vanished bool) {
	t.Helper()
	h, state := e.Data.Header, e.Data.Status.State
	was, begun := packages[h.Number]
	if begun && !was.MayBecome(state) || !begun && state != wire.PackageInitialized {
		t.Errorf("package %d went from %v to %v", h.Number, was, state)
	}
	packages[h.Number] = state
	arrived := h.SizeOfSentData == h.FileSize && h.SizeOfReceivedData == h.FileSize
	if h.FileSize > 0 && !vanished && (state == wire.Transferred || state == wire.PackageCompleted) != arrived && state != wire.Transferring && state != wire.ImportingError && state != wire.TransferringError {
		t.Errorf("package %d is %v with %d sent and %d received of %d", h.Number, state, h.SizeOfSentData, h.SizeOfReceivedData, h.FileSize)
	}
	if !strings.Contains(h.TargetFilePath, "/"+spoolPrefix) {
		t.Errorf("package %d goes to %s", h.Number, h.TargetFilePath)
	}
}

// checkEnd compares the last event with what Run returned.
func checkEnd(t testing.TB, end wire.Event, packages map[int]wire.State, vanished bool, result Result, err error) {
	t.Helper()
	state, p := end.Data.Status.State, end.Data.Progress
	switch {
	case (state == wire.JobCompleted) != (err == nil):
		t.Errorf("the run ends with %v; Run returns %v", state, err)
	case errors.Is(err, errInterrupted):
		if end.Outcome() != wire.Cancelled || p.PackagesFailed != 0 {
			t.Errorf("an interrupted run ends as %v: %+v", end.Outcome(), p)
		}
	case err != nil && end.Outcome() != wire.Failed:
		t.Errorf("the run ends as %v: %+v", end.Outcome(), end.Data.Status)
	case err == nil && result.Clean():
		if p.PackagesDone != p.PackagesTotal || p.FilesDone != p.FilesTotal || p.BytesDone != p.BytesTotal || p.PackagesDone > 0 && p.Fraction() != 1 {
			t.Errorf("the run ends at %+v, %g", p, p.Fraction())
		}
	case err == nil && end.Outcome() != wire.SucceededWithErrors && (end.Outcome() != wire.Failed || result.Packages > 0):
		t.Errorf("%+v, and the run ends as %v: %+v", result, end.Outcome(), p)
	}
	if p.PackagesDone != result.Packages || p.PackagesFailed != result.Failed || p.FilesDone != result.Files && !(vanished && p.FilesDone > result.Files) || p.BytesDone < result.Bytes {
		t.Errorf("the events tell %+v, the result %+v", p, result)
	}
	for n, state := range packages {
		if state < wire.PackageCompleted && err == nil {
			t.Errorf("package %d is %v at the end", n, state)
		}
	}
}

// wantFailure checks that the last event is an error about the item, and that
// its message has the text.
func wantFailure(t testing.TB, events []wire.Event, state wire.State, item, text string) {
	t.Helper()
	end := events[len(events)-1]
	wantError(t, end, state, item, text)
}

// wantInterrupted checks that an event says that its run was interrupted.
func wantInterrupted(t testing.TB, e wire.Event, state wire.State) {
	t.Helper()
	log := e.Data.Status.Log
	if e.Data.Status.State != state || e.Outcome() != wire.Cancelled || e.Data.Progress.Errors > 0 ||
		len(log) == 0 || log[len(log)-1].Message != errInterrupted.Error() || log[len(log)-1].Severity != wire.SeverityWarning {
		t.Errorf("got %v, %v with %+v; want %v, interrupted", e.Data.Status.State, e.Outcome(), log, state)
	}
}

func wantError(t testing.TB, e wire.Event, state wire.State, item, text string) {
	t.Helper()
	log := e.Data.Status.Log
	if e.Data.Status.State == state {
		for _, entry := range log {
			if entry.Severity == wire.SeverityError && strings.HasSuffix(entry.Item, item) && (item != "" || entry.Item == "") && strings.Contains(entry.Message, text) {
				return
			}
		}
	}
	t.Errorf("got %v with %+v\nwant %v about %q: …%s…", e.Data.Status.State, log, state, item, text)
}

// wantWarning checks that there is a warning about the item.
func wantWarning(t testing.TB, events []wire.Event, item, text string) {
	t.Helper()
	wantEntry(t, events, wire.SeverityWarning, item, text)
}

// wantLeftOut checks that there is an error about an item that did not end the
// run, and that the run completed with errors.
func wantLeftOut(t testing.TB, events []wire.Event, item, text string) {
	t.Helper()
	wantEntry(t, events, wire.SeverityError, item, text)
	if last := events[len(events)-1]; last.Data.Status.State != wire.JobCompleted || last.Severity() != wire.SeverityError {
		t.Errorf("not completed with errors: %+v", last.Data)
	}
}

func wantEntry(t testing.TB, events []wire.Event, severity wire.Severity, item, text string) {
	t.Helper()
	for _, e := range events {
		for _, entry := range e.Data.Status.Log {
			if entry.Severity == severity && entry.Item == item && strings.Contains(entry.Message, text) {
				return
			}
		}
	}
	t.Errorf("no %v about %q: …%s…", severity, item, text)
}

func in(events []wire.Event, state wire.State) []wire.Event {
	var some []wire.Event
	for _, e := range events {
		if e.Data.Status.State == state {
			some = append(some, e)
		}
	}
	return some
}
