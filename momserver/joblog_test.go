package momserver_test

import (
	"fmt"
	"strings"
	"testing"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestFullLog gives the last place to the latest error, and counts the others.
func TestFullLog(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
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
		events := published(s)
		checkLog(t, events[1], append(want, "Processing : 3 more log entries")...)
		if p := events[1].Data.Progress; p.Warnings != 33 || p.Errors != 2 {
			t.Errorf("%+v", p)
		}
	})
}

// TestLogTexts leaves texts of 256 bytes as they are, and cuts longer ones, an
// item at its beginning and a message at its end.
func TestLogTexts(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		text := "begin" + strings.Repeat("x", 256-len("begin")-len("end")) + "end"
		j.Warn(text, text)
		j.Warn("y"+text, text+"y")
		p, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
		if err != nil {
			t.Fatal(err)
		}
		checkLog(t, published(s)[1],
			fmt.Sprintf("Warning %s: %s", text, text),
			fmt.Sprintf("Warning %s: %s", "…"+text, wire.Clip(text+"y", 256)))
		for _, item := range []string{text, "y" + text} {
			p.Item(item)
			p.Sent(1)
			p.Transferred()
			events := published(s)
			if got, want := events[len(events)-1].Data.Body.Item, strings.Replace(item, "y", "…", 1); got != want {
				t.Errorf("item %q; want %q", got, want)
			}
			if p, err = j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestLogLeftOut publishes a change without its log if that is too large, and
// with its severity.
func TestLogLeftOut(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxEventBytes: 2000}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		for range 20 {
			j.Warn(strings.Repeat("x", 256), "skipped")
		}
		if err := j.Complete(); err != nil {
			t.Fatal(err)
		}
		checkLog(t, published(s)[1], "Warning : 20 log entries left out: the event would be too large")
	})
}
