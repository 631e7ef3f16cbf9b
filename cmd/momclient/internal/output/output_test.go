package output

import (
	"slices"
	"strings"
	"testing"

	"mom.internal/wire"
)

// TestFiltered keeps the count of missed events across the events left out.
func TestFiltered(t *testing.T) {
	var out strings.Builder
	p := Filtered(wire.Filter{States: []wire.State{wire.JobCompleted}}, newTextPrinter(&out))
	missed := func(n uint64) func(*wire.Event) { return func(e *wire.Event) { e.Missed = n } }
	for _, e := range []*wire.Event{
		event(1, wire.JobCompleted, nil), event(5, wire.Transferring, missed(3)), event(9, wire.Transferring, missed(2)),
		event(11, wire.JobCompleted, missed(1)), event(12, wire.JobCompleted, nil),
	} {
		if err := p.Print("", e); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(out.String(), "missed") != 1 || !strings.Contains(out.String(), "--- missed 6 events ---") {
		t.Error(out.String())
	}
}

// TestFilteredServers keeps the counts of several servers apart, and their epochs.
func TestFilteredServers(t *testing.T) {
	var out strings.Builder
	p := Filtered(wire.Filter{States: []wire.State{wire.JobCompleted}}, newTextPrinter(&out))
	of := func(epoch string, missed uint64) func(*wire.Event) {
		return func(e *wire.Event) { e.Epoch, e.Missed = id(epoch), missed }
	}
	for _, s := range []struct {
		server string
		e      *wire.Event
	}{
		{"a", event(1, wire.JobCompleted, of("one", 0))}, {"bb", event(1, wire.JobCompleted, of("two", 0))},
		{"a", event(5, wire.Transferring, of("one", 3))}, {"bb", event(2, wire.JobCompleted, of("two", 1))},
		{"a", event(6, wire.JobCompleted, of("one", 0))}, {"bb", event(1, wire.JobCompleted, of("three", 0))},
	} {
		if err := p.Print(s.server, s.e); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if words := strings.Fields(line); words[0] == "---" {
			got = append(got, strings.Join(words[1:], " "))
		} else {
			got = append(got, words[3]+" "+words[2])
		}
	}
	want := []string{
		"a 1", "bb 1", "missed 1 event of the server bb ---", "bb 2", "missed 3 events of the server a ---", "a 6",
		"the server bb was restarted: epoch " + id("three").String() + ", sequence numbers begin again ---", "bb 1",
	}
	if !slices.Equal(got, want) || !strings.Contains(out.String(), "  a   site to staging") {
		t.Errorf("%q\n%s", got, &out)
	}
}
