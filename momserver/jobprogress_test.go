package momserver_test

import (
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestScan: while a run works out what there is to do, JobInitialized repeats at
// most once in ProgressInterval, to the nanosecond, and carries what is known.
func TestScan(t *testing.T) {
	harness.Serve(t, momserver.Config{ProgressInterval: time.Second}, func(s *harness.Server) {
		began := time.Now()
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		report := map[string]func(){
			"Item": func() { j.Item("a") }, "Checked": func() { j.Checked(2) }, "Skipped": func() { j.Skipped(3) },
			"Deleted": func() { j.Deleted(4) }, "Expect": func() { j.Expect(5, 6, 7) },
		}
		n := 1
		for name, report := range report {
			time.Sleep(time.Second - time.Nanosecond)
			if report(); len(published(s)) != n {
				t.Errorf("%s: %d events before the interval has passed; want %d", name, len(published(s)), n)
			}
			time.Sleep(time.Nanosecond)
			n++
			if report(); len(published(s)) != n {
				t.Errorf("%s: %d events; want %d", name, len(published(s)), n)
			}
		}
		events := published(s)
		last := events[len(events)-1]
		want := wire.Progress{PackagesTotal: 5, FilesTotal: 6, BytesTotal: 7, FilesChecked: 4, FilesSkipped: 6, FilesDeleted: 8}
		if got := last.Data.Progress; got != want {
			t.Errorf("%+v; want %+v", got, want)
		}
		if body := last.Data.Body; last.Data.Header != nil || body == nil || *body != (wire.PackageBody{Item: "a"}) ||
			!last.Data.Status.SentTime.Equal(began) || !last.Data.Status.ReceivedTime.Equal(time.Now()) {
			t.Errorf("%+v, %+v", last.Data, body)
		}
		if _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		j.Item("b")
		j.Checked(1) // has no event of its own any more
		if got := states(t, published(s)[n:]); got != "PackageInitialized" || j.Progress().FilesChecked != 5 {
			t.Errorf("%s, %+v", got, j.Progress())
		}
	})
}

// TestExpect: totals as they are known by now count; 0 leaves one as it is; what
// was done already is a lower bound.
func TestExpect(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		if j.Progress().Known() {
			t.Error("known before anything was announced")
		}
		p, _ := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
		for _, tc := range []struct {
			packages, files int
			bytes           int64
			want            wire.Progress
		}{
			{0, 0, 100, wire.Progress{BytesTotal: 100}},
			{3, 0, 0, wire.Progress{PackagesTotal: 3, BytesTotal: 100}},
			{0, 9, 200, wire.Progress{PackagesTotal: 3, FilesTotal: 9, BytesTotal: 200}},
			{2, 8, 150, wire.Progress{PackagesTotal: 2, FilesTotal: 8, BytesTotal: 150}}, // a correction
			{-1, 1, 1, wire.Progress{PackagesTotal: 2, FilesTotal: 8, BytesTotal: 150}},
			{1, -1, 1, wire.Progress{PackagesTotal: 2, FilesTotal: 8, BytesTotal: 150}},
			{1, 1, -1, wire.Progress{PackagesTotal: 2, FilesTotal: 8, BytesTotal: 150}},
		} {
			j.Expect(tc.packages, tc.files, tc.bytes)
			if got := j.Progress(); got != tc.want {
				t.Errorf("Expect(%d, %d, %d): %+v; want %+v", tc.packages, tc.files, tc.bytes, got, tc.want)
			}
		}
		p.Moved(175)
		if got := j.Progress(); got.BytesTotal != 175 || got.BytesDone != 175 {
			t.Errorf("%+v", got)
		}
		if n := s.Stats().Misuse; n != 3 {
			t.Errorf("%d misuses", n)
		}
	})
}

// TestPackageExpect: a package's size may become known, and change, until all of
// it has arrived.
func TestPackageExpect(t *testing.T) {
	harness.Serve(t, momserver.Config{ProgressInterval: 1}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{Packages: 4})
		p, _ := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{Files: 1})
		fraction := func(want float64) {
			t.Helper()
			if got := j.Progress(); !got.Known() || got.Fraction() != want {
				t.Errorf("%+v: %v; want %v", got, got.Fraction(), want)
			}
		}
		p.Moved(50)
		fraction(0) // its size is unknown
		p.Expect(0, 100)
		fraction(0.125)
		p.Expect(7, 200)
		fraction(0.0625)
		p.Retry(10, "", nil)
		fraction(0.05)
		q, _ := j.StartPackage(wire.PackageHeader{FileSize: 100, SizeOfReceivedData: 20}, wire.PackageBody{})
		fraction(0.1)
		q.Moved(999) // is at most one package
		fraction(0.3)
		q.Fail(nil) // ends the run
		if got := published(s); got[len(got)-1].Data.Progress.OpenThousandths != 200 {
			t.Errorf("%+v", got[len(got)-1].Data.Progress)
		}

		j = s.MustStartJob(s.JobID, wire.InitializeData{Packages: 4})
		p, _ = j.StartPackage(wire.PackageHeader{FileSize: 200}, wire.PackageBody{Files: 1})
		p.Expect(7, 0)
		p.Moved(200)
		fraction(0.25)
		p.Transferred()
		p.Expect(8, 8) // too late
		p.Complete()
		fraction(0.25)
		if got := j.Progress(); got.FilesDone != 7 || got.OpenThousandths != 0 || p.Header().FileSize != 200 || s.Stats().Misuse != 1 {
			t.Errorf("%+v, %+v, %d misuses", got, p.Header(), s.Stats().Misuse)
		}
		j.Expect(0, 0, 400) // from now on, bytes count
		fraction(0.5)
	})
}
