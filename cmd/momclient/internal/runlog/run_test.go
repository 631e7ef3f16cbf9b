package runlog

import (
	"reflect"
	"testing"

	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// TestFirstError finds the first error of an event, with its package if the package
// ended for it.
func TestFirstError(t *testing.T) {
	of := func(state wire.State, outcome wire.Outcome, number int, log ...wire.LogEntry) *wire.Event {
		e := &wire.Event{Data: wire.TransferData{Status: wire.Status{State: state, Outcome: outcome, Final: outcome != 0, Log: log}}}
		if number > 0 {
			e.Data.Header = &wire.PackageHeader{Number: number}
		}
		return e
	}
	warning, bad := wire.LogEntry{Severity: wire.SeverityWarning, Message: "careful"}, wire.LogEntry{Severity: wire.SeverityError, Item: "a", Message: "bad"}
	for name, tc := range map[string]struct {
		event *wire.Event
		want  *Error
	}{
		"none":              {of(wire.Transferring, 0, 1, warning), nil},
		"an item":           {of(wire.Transferring, 0, 1, warning, bad), &Error{Item: "a", Message: "bad"}},
		"a package":         {of(wire.ImportingError, 0, 2, bad), &Error{Package: 2, Item: "a", Message: "bad"}},
		"without a log":     {of(wire.TransferringError, 0, 3), &Error{Package: 3, Message: "TransferringError"}},
		"the run":           {of(wire.ExportingError, wire.Failed, 0, warning), &Error{Message: "ExportingError"}},
		"cancelled":         {of(wire.ExportingError, wire.Cancelled, 0, warning), nil},
		"with errors ended": {of(wire.JobCompleted, wire.SucceededWithErrors, 0), nil},
	} {
		if got := FirstError(tc.event); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestOutcomes says of each outcome whether somebody should look.
func TestOutcomes(t *testing.T) {
	for _, tc := range []struct {
		outcome      wire.Outcome
		lost         jobs.Loss
		failed, idle bool
	}{
		{wire.Succeeded, "", false, true}, {wire.SucceededWithErrors, "", true, false}, {wire.Failed, "", true, false}, {wire.Cancelled, "", false, false},
		{9, "", true, false}, {0, jobs.LostInGap, true, false},
	} {
		r := Run{Outcome: tc.outcome, Lost: tc.lost}
		if r.Failed() != tc.failed || r.Idle() != tc.idle || (r.Lost != "") != (r.Why() != "") {
			t.Errorf("%v %v: failed %v, idle %v, why %q", tc.outcome, tc.lost, r.Failed(), r.Idle(), r.Why())
		}
	}
}
