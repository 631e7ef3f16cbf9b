package invariant_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// The world that the streams of these tests are of: epoch A published ten
// events of run 1, of which the last ends it; epoch B three of run 2, which
// goes on. Even events of A are warnings.
var (
	job        = uuid.New()
	runs       = [3]uuid.UUID{{}, uuid.New(), uuid.New()}
	epochs     = map[byte]uuid.UUID{'A': uuid.New(), 'B': uuid.New()}
	lastOf     = map[byte]uint64{'A': 10, 'B': 3}
	warnings   = wire.Filter{Severity: wire.SeverityWarning}
	everything wire.Filter
)

func mark(epoch byte, seq uint64) invariant.Mark {
	m := invariant.Mark{JobID: job, Name: "job", RunID: runs[1], State: wire.Transferring, Severity: wire.SeverityProcessing}
	switch {
	case epoch == 'B':
		m.RunID = runs[2]
	case seq == 10:
		m.State, m.Outcome = wire.JobCompleted, wire.Succeeded
	}
	if epoch == 'A' && seq%2 == 0 {
		m.Severity = wire.SeverityWarning
	}
	return m
}

func ledger() *invariant.Ledger {
	l := new(invariant.Ledger)
	for _, epoch := range []byte("AB") {
		l.Begin(epochs[epoch])
		for seq := uint64(1); seq <= lastOf[epoch]; seq++ {
			l.Publish(mark(epoch, seq))
		}
	}
	return l
}

// event is event seq of an epoch as it should be delivered.
func event(epoch byte, seq, missed uint64, snapshot bool) wire.Event {
	m := mark(epoch, seq)
	e := wire.Event{Epoch: epochs[epoch], Seq: seq, JobID: m.JobID, RunID: m.RunID, Missed: missed, Snapshot: snapshot}
	e.Data.Initialize = &wire.InitializeData{Name: m.Name}
	e.Data.Status = wire.Status{State: m.State, Final: m.Outcome != 0, Outcome: m.Outcome}
	if m.Severity == wire.SeverityWarning {
		e.Data.Status.Log = []wire.LogEntry{{Severity: m.Severity}}
	}
	return e
}

func fresh(epoch byte, seqs ...uint64) (events []wire.Event) {
	for _, seq := range seqs {
		events = append(events, event(epoch, seq, 0, false))
	}
	return events
}

// TestStreams gives the checkers streams that are right, and streams with one
// thing wrong.
func TestStreams(t *testing.T) {
	gap := func(seq, missed uint64, then ...uint64) []wire.Event {
		return append(append(fresh('A', 1, 2), event('A', seq, missed, true)), fresh('A', then...)...)
	}
	lie := event('A', 2, 0, false)
	lie.RunID = runs[2]
	for _, tc := range []struct {
		name   string
		filter wire.Filter
		events []wire.Event
		want   string // the invariants that are violated, in order
	}{
		{"all", everything, fresh('A', 1, 2, 3, 4), ""},
		{"a gap", everything, gap(5, 3, 6, 7), ""},
		{"a gap over the end of the run", everything, append(fresh('A', 1, 2), event('B', 2, 10, true), event('B', 3, 0, false)), ""},
		{"filtered", warnings, fresh('A', 2, 4, 6), ""},
		{"a filtered gap", warnings, append(append(fresh('A', 2), event('A', 6, 4, true)), fresh('A', 8)...), ""},
		{"two epochs", everything, append(fresh('A', 1, 2), fresh('B', 1, 2)...), ""},
		{"a snapshot cut off, and whole", everything, append(gap(5, 3), append([]wire.Event{event('A', 5, 0, true)}, fresh('A', 6)...)...), ""},

		{"out of order", everything, fresh('A', 1, 3, 2), invariant.Sum + "+" + invariant.Order},
		{"again", everything, fresh('A', 1, 2, 2), invariant.NoRepeats},
		{"lost", everything, fresh('A', 1, 3), invariant.Sum},
		{"lost of what is wanted", warnings, fresh('A', 2, 6), invariant.Sum},
		{"a gap of one too few", everything, gap(5, 2, 6), invariant.Sum},
		{"a gap of one too many", everything, gap(5, 4, 6), invariant.Gaps},
		{"a filtered gap of too many", warnings, append(append(fresh('A', 2), event('A', 6, 6, true)), fresh('A', 8)...), invariant.Gaps},
		{"a gap announced late", everything, []wire.Event{event('A', 1, 0, false), event('A', 3, 0, false), event('A', 4, 1, false)}, invariant.Sum + "+" + invariant.Gaps + "+" + invariant.Gaps},
		{"a gap without its snapshot", everything, []wire.Event{event('A', 1, 0, false), event('A', 4, 2, false)}, invariant.Gaps},
		{"an old snapshot", everything, gap(4, 3, 6), invariant.Gaps},
		{"a snapshot of what is to come", everything, gap(6, 3, 6), invariant.Order + "+" + invariant.Gaps},
		{"a new epoch's beginning lost", everything, append(fresh('A', 1), fresh('B', 2)...), invariant.Sum},
		{"an old epoch", everything, append(fresh('B', 1), fresh('A', 1)...), invariant.Ended},
		{"another event", everything, []wire.Event{event('A', 1, 0, false), lie}, invariant.Published},
		{"never published", everything, []wire.Event{event('A', 11, 10, false)}, invariant.Published},
		{"not wanted", warnings, fresh('A', 3), invariant.Published},
	} {
		var got []string
		s := invariant.NewStream(ledger(), tc.filter, func(v invariant.Violation) { got = append(got, v.Invariant) })
		s.Connected(epochs['A']) // later than it began
		for _, e := range tc.events {
			s.Event(e)
		}
		if got := strings.Join(got, "+"); got != tc.want {
			t.Errorf("%s: %q; want %q", tc.name, got, tc.want)
		}
	}
}

// TestCursors moves a client's cursor rightly and wrongly, after event 4 of
// epoch A.
func TestCursors(t *testing.T) {
	at := func(epoch byte, seq uint64) wire.Cursor { return wire.Cursor{Epoch: epochs[epoch], Seq: seq} }
	for _, tc := range []struct {
		name    string
		filter  wire.Filter
		cursors []wire.Cursor
		want    string
	}{
		{"stays", everything, []wire.Cursor{at('A', 3), at('A', 4)}, ""},
		{"over what is filtered out", warnings, []wire.Cursor{at('A', 4), at('A', 5)}, ""},
		{"goes back", everything, []wire.Cursor{at('A', 4), at('A', 3)}, invariant.Ended},
		{"to an older epoch", everything, []wire.Cursor{at('B', 0), at('A', 4)}, invariant.Ended},
		{"to what was not published", everything, []wire.Cursor{at('A', 4), at('B', 4)}, invariant.Ended + "+" + invariant.Sum},
		{"over what was not told", everything, []wire.Cursor{at('A', 5)}, invariant.Sum},
		{"over what was not told, of what is wanted", warnings, []wire.Cursor{at('A', 6)}, invariant.Sum},
	} {
		var got []string
		s := invariant.NewStream(ledger(), tc.filter, func(v invariant.Violation) { got = append(got, v.Invariant) })
		for seq := uint64(1); seq <= 4; seq++ {
			if e := event('A', seq, 0, false); tc.filter.Takes(&e) {
				s.Event(e)
			}
		}
		for _, c := range tc.cursors {
			s.Cursor(c)
		}
		if got := strings.Join(got, "+"); got != tc.want {
			t.Errorf("%s: %q; want %q", tc.name, got, tc.want)
		}
	}
}

// TestFigures holds a bound at its limit and one past it, and drops to their
// reasons.
func TestFigures(t *testing.T) {
	var got []string
	report := invariant.Report(func(v invariant.Violation) { got = append(got, v.Invariant) })
	report.Bound("events", 10, 10)
	report.Bound("events", 10, 0)
	report.Drop("somebody", "shutdown", true, "the server shut down")
	if len(got) > 0 {
		t.Errorf("violated: %v", got)
	}
	report.Bound("events", 11, 10)
	report.Drop("somebody", "shutdown", true, "")
	report.Drop("somebody", "", true, "the server shut down")
	report.Drop("somebody", "boredom", false, "the server shut down")
	if got := strings.Join(got, "+"); got != strings.Join([]string{invariant.Bounded, invariant.Reasons, invariant.Reasons, invariant.Reasons}, "+") {
		t.Errorf("violated: %v", got)
	}
}

// TestUnknown looks at streams of which nothing is known but what comes.
func TestUnknown(t *testing.T) {
	gap := func(seq, missed uint64) []wire.Event { return append(fresh('A', 4, 5), event('A', seq, missed, false)) }
	for _, tc := range []struct {
		name   string
		events []wire.Event
		want   string
	}{
		{"all, from anywhere", fresh('A', 4, 5, 6), ""},
		{"a gap", gap(9, 3), ""},
		{"two epochs", append(fresh('B', 2, 3), fresh('A', 1, 2)...), ""},
		{"a snapshot before it", append([]wire.Event{event('A', 3, 0, true)}, fresh('A', 5, 6)...), ""},

		{"lost", fresh('A', 4, 6), invariant.Sum},
		{"again", fresh('A', 4, 4), invariant.NoRepeats},
		{"out of order", fresh('A', 4, 6, 5), invariant.Sum + "+" + invariant.Order},
		{"a gap of one too few", gap(9, 2), invariant.Sum},
		{"a gap of one too many", gap(9, 4), invariant.Gaps},
		{"a new epoch's beginning lost", append(fresh('A', 4), fresh('B', 2)...), invariant.Sum},
		{"an old epoch", append(fresh('A', 4), append(fresh('B', 1), fresh('A', 5)...)...), invariant.Ended},
		{"a snapshot of what is to come", append([]wire.Event{event('A', 5, 0, true)}, fresh('A', 5)...), invariant.Order},
		{"no event", fresh('A', 0), invariant.Published + "+" + invariant.Order + "+" + invariant.Sum},
	} {
		var got []string
		s := invariant.NewStream(invariant.Unknown(), everything, func(v invariant.Violation) { got = append(got, v.Invariant) })
		s.Connected(epochs['A'])
		for _, e := range tc.events {
			s.Event(e)
		}
		if got := strings.Join(got, "+"); got != tc.want {
			t.Errorf("%s: %q; want %q", tc.name, got, tc.want)
		}
	}
}

// TestTold counts, of what has come since the last time.
func TestTold(t *testing.T) {
	s := invariant.NewStream(ledger(), everything, invariant.Fails(t))
	for _, e := range append(fresh('A', 1, 2), event('A', 5, 3, true)) {
		s.Event(e)
	}
	if got, want := s.Told(), (invariant.Told{Fresh: 2, Snapshots: 1, Gaps: 1, Missed: 3, Last: 2}); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
	s.Event(event('A', 6, 0, false))
	if got, want := s.Told(), (invariant.Told{Fresh: 1, Last: 6}); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
	if got, want := s.Told(), (invariant.Told{Last: 6}); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
}

// TestKilled lets only those events come again that were not kept, and wants
// them to.
func TestKilled(t *testing.T) {
	at := wire.Cursor{Epoch: epochs['A'], Seq: 3}
	for _, tc := range []struct {
		next uint64
		want string
	}{{4, ""}, {3, invariant.NoRepeats}, {5, invariant.Sum}} {
		for _, l := range []*invariant.Ledger{ledger(), invariant.Unknown()} {
			var got []string
			s := invariant.NewStream(l, everything, func(v invariant.Violation) { got = append(got, v.Invariant) })
			for _, e := range fresh('A', 1, 2, 3, 4, 5) {
				s.Event(e)
			}
			if again := s.Killed(at); again != 2 {
				t.Errorf("%d come again", again)
			}
			s.Event(event('A', tc.next, 0, false))
			if got := strings.Join(got, "+"); !strings.HasPrefix(got, tc.want) || tc.want == "" && got != "" {
				t.Errorf("event %d next: %q; want %q", tc.next, got, tc.want)
			}
		}
	}
}

// TestConverged holds a client to where it should be at the end.
func TestConverged(t *testing.T) {
	for at, want := range map[uint64]string{10: "", 9: invariant.Liveness} {
		var got []string
		l := ledger()
		s := invariant.NewStream(l, everything, func(v invariant.Violation) { got = append(got, v.Invariant) })
		for seq := uint64(1); seq <= 10; seq++ {
			s.Event(event('A', seq, 0, false))
		}
		end := wire.Cursor{Epoch: epochs['A'], Seq: 10}
		s.Converged(end, wire.Cursor{Epoch: end.Epoch, Seq: at})
		if got := strings.Join(got, "+"); got != want {
			t.Errorf("at %d: %q; want %q", at, got, want)
		}
	}
}

// TestRestarted goes on with a cursor: a gap that was told before may be told
// again, and nothing else.
func TestRestarted(t *testing.T) {
	var got []string
	s := invariant.NewStream(ledger(), everything, func(v invariant.Violation) { got = append(got, v.Invariant) })
	for _, e := range append(fresh('A', 1, 2), event('A', 5, 3, true)) {
		s.Event(e)
	}
	s.Restarted(wire.Cursor{Epoch: epochs['A'], Seq: 2})
	for _, e := range append([]wire.Event{event('A', 6, 4, true)}, fresh('A', 7)...) {
		s.Event(e)
	}
	if len(got) > 0 {
		t.Errorf("violated: %v", got)
	}
	s.Restarted(wire.Cursor{Epoch: epochs['A'], Seq: 8})
	if len(got) != 1 || got[0] != invariant.Sum {
		t.Errorf("with a cursor that is ahead: %v", got)
	}
}
