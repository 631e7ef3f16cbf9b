package momserver_test

import (
	"log/slog"
	"math"
	"strings"
	"testing"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestMisuse: what makes no sense is ignored, counted each time, and logged once
// for each kind.
func TestMisuse(t *testing.T) {
	var lines strings.Builder
	harness.Serve(t, momserver.Config{Logger: slog.New(slog.NewTextHandler(&lines, nil))}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
		moving, _ := j.StartPackage(wire.PackageHeader{FileSize: 100}, wire.PackageBody{})
		arrived, _ := j.StartPackage(wire.PackageHeader{FileSize: 100}, wire.PackageBody{})
		arrived.Transferred()
		ended, _ := j.StartPackage(wire.PackageHeader{FileSize: 100}, wire.PackageBody{})
		ended.Fail(nil)
		moving.Moved(50)
		before, header := j.Progress(), moving.Header()
		calls := uint64(0)
		check := func(kind string, misuses ...func()) {
			t.Helper()
			for range 2 {
				for _, misuse := range misuses {
					misuse()
				}
			}
			calls += uint64(2 * len(misuses))
			if n := s.Stats().Misuse; n != calls {
				t.Errorf("%s: %d misuses; want %d", kind, n, calls)
			}
			if n := strings.Count(lines.String(), kind); n != 1 {
				t.Errorf("%q is logged %d times", kind, n)
			}
		}
		check("a negative count, or more than a run can count",
			func() { moving.Moved(-1) }, func() { moving.Sent(-1) }, func() { moving.Received(-1) }, func() { moving.Moved(math.MaxInt64) },
			func() { moving.Expect(-1, 0) }, func() { moving.Expect(0, -1) }, func() { moving.Retry(-1, "", nil) },
			func() { j.Expect(-1, 0, 0) }, func() { j.Expect(0, -1, 0) }, func() { j.Expect(0, 0, -1) },
			func() { j.Checked(-1) }, func() { j.Skipped(-1) }, func() { j.Deleted(-1) })
		check("bytes or a size of a package that has arrived or has ended",
			func() { arrived.Moved(1) }, func() { arrived.Sent(1) }, func() { arrived.Received(1) }, func() { arrived.Expect(1, 1) },
			func() { arrived.Retry(1, "", nil) },
			func() { ended.Moved(1) }, func() { ended.Sent(1) }, func() { ended.Received(1) }, func() { ended.Expect(1, 1) },
			func() { ended.Retry(0, "", nil) })
		if after := j.Progress(); after != before || moving.Header() != header {
			t.Errorf("misuse has changed %+v to %+v, %+v to %+v", before, after, header, moving.Header())
		}
		check("a retry of more bytes than were moved", func() { moving.Retry(51, "", nil) })
		if p := j.Progress(); p.Retries != 2 || p.BytesDone != 0 {
			t.Errorf("%+v", p)
		}
		j.Cancel(nil) // another goroutine may not know yet
		moving.Moved(1)
		moving.Retry(0, "", nil)
		moving.Expect(1, 1)
		j.Checked(1)
		if n := s.Stats().Misuse; n != calls {
			t.Errorf("progress after a cancel is misuse")
		}
		j = s.MustStartJob(s.JobID, wire.InitializeData{})
		j.Complete()
		check("progress of a run that has been completed",
			func() { j.Checked(1) }, func() { j.Skipped(1) }, func() { j.Deleted(1) }, func() { j.Expect(1, 1, 1) }, func() { j.Item("") },
			func() { j.Warn("", "") }, func() { j.Note("", "") }, func() { j.Error("", "") })
	})
}
