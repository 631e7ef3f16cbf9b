package wire

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
)

func TestFilterMatch(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	jobOf := map[uuid.UUID]string{a: "nightly", b: "site"}
	for _, tc := range []struct {
		name     string
		filter   Filter
		job      uuid.UUID
		state    State
		severity Severity
		outcome  Outcome
		want     bool
	}{
		{"zero takes all", Filter{}, a, Transferring, SeverityProcessing, 0, true},
		{"zero takes what it does not know", Filter{}, a, 99, 0, 0, true},
		{"job", Filter{Jobs: []uuid.UUID{a}}, a, Transferring, SeverityProcessing, 0, true},
		{"other job", Filter{Jobs: []uuid.UUID{a}}, b, Transferring, SeverityProcessing, 0, false},
		{"one of two jobs", Filter{Jobs: []uuid.UUID{a, b}}, b, Transferring, SeverityProcessing, 0, true},
		{"name", Filter{Names: []string{"site"}}, b, Transferring, SeverityProcessing, 0, true},
		{"name to the letter", Filter{Names: []string{"Site"}}, b, Transferring, SeverityProcessing, 0, false},
		{"job or name", Filter{Jobs: []uuid.UUID{a}, Names: []string{"site"}}, b, Transferring, SeverityProcessing, 0, true},
		{"neither job nor name", Filter{Jobs: []uuid.UUID{uuid.New()}, Names: []string{"x"}}, b, Transferring, SeverityProcessing, 0, false},
		{"state", Filter{States: []State{JobCompleted, Transferring}}, a, Transferring, SeverityProcessing, 0, true},
		{"other state", Filter{States: []State{JobCompleted}}, a, Transferring, SeverityProcessing, 0, false},
		{"severity at it", Filter{Severity: SeverityWarning}, a, Transferring, SeverityWarning, 0, true},
		{"severity over it", Filter{Severity: SeverityWarning}, a, Transferring, SeverityError, 0, true},
		{"severity under it", Filter{Severity: SeverityWarning}, a, Transferring, SeverityProcessing, 0, false},
		{"all parts", Filter{Jobs: []uuid.UUID{a}, States: []State{ImportingError}, Severity: SeverityError}, a, ImportingError, SeverityError, 0, true},
		{"all parts but the job", Filter{Jobs: []uuid.UUID{b}, States: []State{ImportingError}, Severity: SeverityError}, a, ImportingError, SeverityError, 0, false},
		{"all parts but the state", Filter{Jobs: []uuid.UUID{a}, States: []State{ExportingError}, Severity: SeverityError}, a, ImportingError, SeverityError, 0, false},
		{"outcome", Filter{Outcomes: []Outcome{Failed, Cancelled}}, a, ExportingError, SeverityWarning, Cancelled, true},
		{"other outcome", Filter{Outcomes: []Outcome{Failed, Cancelled}}, a, JobCompleted, SeverityProcessing, Succeeded, false},
		{"no outcome yet", Filter{Outcomes: []Outcome{Failed, Cancelled}}, a, ImportingError, SeverityError, 0, false},
		{"outcome and state", Filter{Outcomes: []Outcome{Failed}, States: []State{JobCompleted}}, a, ExportingError, SeverityError, Failed, false},
	} {
		if got := tc.filter.Match(tc.job, jobOf[tc.job], tc.state, tc.severity, tc.outcome); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// TestFilterTakes asks the same of whole events, whose severity is their own.
func TestFilterTakes(t *testing.T) {
	ev := Event{JobID: uuid.New(), Data: TransferData{
		Initialize: &InitializeData{Name: "site"},
		Status:     Status{State: Transferring, Log: []LogEntry{{Severity: SeverityWarning}, {Severity: SeverityProcessing}}},
	}}
	for _, tc := range []struct {
		filter Filter
		want   bool
	}{
		{Filter{}, true},
		{Filter{Names: []string{"site"}, Severity: SeverityWarning}, true},
		{Filter{Severity: SeverityError}, false},
		{Filter{Names: []string{""}}, false},
		{Filter{Jobs: []uuid.UUID{ev.JobID}, States: []State{Transferring}}, true},
	} {
		if got := tc.filter.Takes(&ev); got != tc.want {
			t.Errorf("%v: %v", &tc.filter, got)
		}
	}
	ev.Data.Status = Status{State: ExportingError, Final: true, Outcome: Cancelled}
	for outcome, want := range map[Outcome]bool{Failed: false, Cancelled: true} {
		if f := (Filter{Outcomes: []Outcome{outcome}}); f.Takes(&ev) != want {
			t.Errorf("%v: %v", &f, !want)
		}
	}
	ev.Data.Initialize = nil
	if f := (Filter{Names: []string{"site"}}); f.Takes(&ev) {
		t.Error("an event without a name has one")
	}
}

func TestFilterBounds(t *testing.T) {
	jobs, names := make([]uuid.UUID, MaxFilterItems), make([]string, MaxFilterItems)
	states := slices.Repeat([]State{Transferred}, MaxFilterItems)
	outcomes := slices.Repeat([]Outcome{Failed}, MaxFilterItems)
	full := Filter{Jobs: jobs, Names: names, States: states, Outcomes: outcomes, Severity: SeverityError}
	if err := full.Check(); err != nil {
		t.Errorf("at its bounds: %v", err)
	}
	for name, f := range map[string]Filter{
		"jobs":      {Jobs: append(jobs, uuid.Nil)},
		"names":     {Names: append(names, "")},
		"states":    {States: append(states, Transferred)},
		"state 0":   {States: []State{0}},
		"state 10":  {States: []State{Transferred, 10}},
		"outcomes":  {Outcomes: append(outcomes, Failed)},
		"outcome 0": {Outcomes: []Outcome{0}},
		"outcome 5": {Outcomes: []Outcome{Succeeded, 5}},
		"severity":  {Severity: 4},
	} {
		if err := f.Check(); !errors.Is(err, BadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFilterIsZero(t *testing.T) {
	for _, tc := range []struct {
		filter Filter
		want   bool
		text   string
	}{
		{Filter{}, true, "all events"},
		{Filter{Jobs: []uuid.UUID{}, Names: []string{}, States: []State{}, Outcomes: []Outcome{}}, true, "all events"},
		{Filter{Jobs: []uuid.UUID{uuid.Nil}}, false, `1 jobs, 0 names, 0 states, 0 outcomes, severity "" and up`},
		{Filter{Names: []string{""}}, false, `0 jobs, 1 names, 0 states, 0 outcomes, severity "" and up`},
		{Filter{States: []State{0}}, false, `0 jobs, 0 names, 1 states, 0 outcomes, severity "" and up`},
		{Filter{Outcomes: []Outcome{Failed, Cancelled}}, false, `0 jobs, 0 names, 0 states, 2 outcomes, severity "" and up`},
		{Filter{Severity: 2}, false, `0 jobs, 0 names, 0 states, 0 outcomes, severity "Warning" and up`},
	} {
		if got := tc.filter.IsZero(); got != tc.want {
			t.Errorf("%+v: %v", tc.filter, got)
		}
		if got := tc.filter.String(); got != tc.text {
			t.Errorf("%+v: %s", tc.filter, got)
		}
	}
}
