package momserver_test

import (
	"fmt"
	"testing"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestFullLog gives the last place to the latest error, and counts the others.
func TestFullLog(t *testing.T) {
	inBubble(t, momserver.Config{}, func(w *world) {
		j, err := w.srv.StartJob(w.job, wire.InitializeData{})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 32 {
			j.Warn("item", fmt.Sprint(i))
			want = append(want, fmt.Sprintf("Warning item: %d", i))
		}
		j.Error("item", "the first error")
		j.Error("item", "the second error")
		j.Warn("item", "one more warning")
		want[31] = "Error item: the second error"
		if _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); err != nil {
			t.Fatal(err)
		}
		events := w.published()
		checkLog(t, events[1], append(want, "Processing : 3 more log entries")...)
		if p := events[1].Data.Progress; p.Warnings != 33 || p.Errors != 2 {
			t.Errorf("%+v", p)
		}
	})
}
