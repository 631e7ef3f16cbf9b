package output

import (
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
