package jobs

import (
	"math"
	"slices"
	"testing"
	"time"

	"mom.internal/wire"
)

// TestRate: a steady rate is exact from the first second on.
func TestRate(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized)
	rate := func() int64 { return s.tr.View().Jobs[0].Run.Rate }
	left := func() int64 { return s.tr.View().Jobs[0].Run.TimeLeft }
	s.at(0.999).event(1, wire.Transferring, done(50))
	if got := rate(); got != 0 || left() != 0 {
		t.Errorf("%d after less than a second", got)
	}
	for i := range 5 {
		s.at(float64(i+1)).event(1, wire.Transferring, done(int64(i+1)*50))
	}
	if got := rate(); got != 50 || left() != 15 { // 750 bytes are left
		t.Errorf("rate %d, %d s left; want 50 and 15", got, left())
	}
	s.event(1, wire.Transferring, done(251)) // 749 bytes are left, at a rate just over 50
	if got := left(); got != 15 {
		t.Errorf("%d s left; want it rounded up to 15", got)
	}
	// After one smoothing the rate has followed a change to 1-1/e.
	s.at(10).event(1, wire.Transferring, done(251))
	weight := 1 - math.Exp(-2)
	before := (50*(1-math.Exp(-1)) + 1.0/5) * math.Exp(-1)
	if got, want := rate(), int64(math.Round(before/weight)); got != want {
		t.Errorf("rate %d; want %d", got, want)
	}
}

// TestSilence: after the grace, silence counts as a rate of 0.
func TestSilence(t *testing.T) {
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized)
	s.at(1).event(1, wire.Transferring, done(100))
	for _, tc := range []struct {
		at   float64
		rate int64
	}{{3, 100}, {8, 37}, {13, 14}, {18, 5}, {18.001, 0}} {
		if r := s.at(tc.at).run(1); r.Rate != tc.rate || (r.TimeLeft == 0) != (tc.rate == 0) {
			t.Errorf("at %v: rate %d, %d s left; want %d", tc.at, r.Rate, r.TimeLeft, tc.rate)
		}
	}
}

// TestTimeLeftUnknown: if the time left cannot be known, it is 0.
func TestTimeLeftUnknown(t *testing.T) {
	for name, set := range map[string]func(*wire.Event){
		"no total":         func(e *wire.Event) { e.Data.Progress.BytesTotal = 0 },
		"all done":         func(e *wire.Event) { e.Data.Progress.BytesTotal = e.Data.Progress.BytesDone },
		"more than a year": func(e *wire.Event) { e.Data.Progress.BytesTotal = 1 << 50 },
	} {
		s := newScript(t, Options{})
		s.event(1, wire.JobInitialized)
		s.at(2).event(1, wire.Transferring, done(100), set)
		if r := s.run(1); r.Rate != 50 || r.TimeLeft != 0 {
			t.Errorf("%s: rate %d, %d s left; want 50, 0", name, r.Rate, r.TimeLeft)
		}
	}
	s := newScript(t, Options{})
	s.event(1, wire.JobInitialized).at(2).event(1, wire.Transferring, done(100))
	s.tr.Disconnected()
	if r := s.run(1); r.Rate != 0 || r.TimeLeft != 0 {
		t.Errorf("with the server away: rate %d, %d s left", r.Rate, r.TimeLeft)
	}
	s.tr.Connected(s.now, s.e, 0)
	if r := s.run(1); r.Rate != 50 {
		t.Errorf("with the server back: rate %d", r.Rate)
	}
}

// TestTimeLeftByPackages: if the total of bytes is unknown, the time left is by the
// mean rate of the packages. Those under way count in part, failed ones in full.
func TestTimeLeftByPackages(t *testing.T) {
	s := newScript(t, Options{})
	at := func(seconds float64, p wire.Progress) int64 {
		t.Helper()
		p.PackagesTotal = 10
		s.at(seconds).event(1, wire.Transferring, func(e *wire.Event) { e.Data.Progress = p })
		return s.run(1).TimeLeft
	}
	for _, tc := range []struct {
		at   float64
		p    wire.Progress
		left int64
	}{
		{0, wire.Progress{PackagesDone: 1}, 0},
		{0.9, wire.Progress{PackagesDone: 2}, 0}, // too soon
		{10, wire.Progress{PackagesDone: 1, OpenThousandths: 500}, 170},
		{20, wire.Progress{PackagesDone: 2, PackagesFailed: 1, OpenThousandths: 2000}, 25}, // 4 of the 9 in 20 s
		{21, wire.Progress{PackagesDone: 1}, 0},                                            // no more than at first
		{36, wire.Progress{PackagesDone: 10}, 0},
	} {
		if got := at(tc.at, tc.p); got != tc.left {
			t.Errorf("at %v: %d s left; want %d", tc.at, got, tc.left)
		}
	}
	at(40, wire.Progress{PackagesDone: 5}) // 4 in 40 s
	if got := s.at(60).run(1).TimeLeft; got != 75 {
		t.Errorf("%d s left after a silence; want 75", got)
	}
}

// TestReplay: events of an hour ago that come at once have the rates of that
// time.
func TestReplay(t *testing.T) {
	s := newScript(t, Options{})
	for i := range 11 {
		s.event(1, wire.Transferring, done(int64(i)*10), func(e *wire.Event) {
			e.Data.Status.ReceivedTime = start.Add(time.Duration(i)*time.Second - time.Hour)
		})
	}
	if r := s.run(1); r.Rate != 10 || !r.LastChange.Equal(start.Add(10*time.Second-time.Hour)) {
		t.Errorf("rate %d, last change %v", r.Rate, r.LastChange)
	}
}

// TestFailedPackage: if bytes are taken back, the rate is not negative.
func TestFailedPackage(t *testing.T) {
	var m meter
	m.add(start, start, 0)
	m.add(start.Add(time.Second), start, 100)
	if from, to, n := m.add(start.Add(2*time.Second), start, 40); n != 0 || to.Sub(from) != time.Second {
		t.Errorf("%d bytes in %v", n, to.Sub(from))
	}
	if _, _, n := m.add(start.Add(time.Second), start, 60); n != 20 {
		t.Errorf("%d bytes", n)
	}
	if m.last != start.Add(2*time.Second) {
		t.Error("the clock went back")
	}
}

func TestSeries(t *testing.T) {
	var s series
	sec := func(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Second))) }
	if v := s.view(); v.BytesPerSecond == nil || len(v.BytesPerSecond) != 0 {
		t.Errorf("%+v", v)
	}
	s.add(sec(0), sec(0.5), 50)
	s.add(sec(0.5), sec(3), 250)
	s.add(sec(3), sec(3), 10) // in zero time
	// The beginning of a step is part of the one before.
	if v := s.view(); v.Step != 1 || !v.Start.Equal(start) || !slices.Equal(v.BytesPerSecond, []int64{100, 100, 110}) {
		t.Errorf("%+v", v)
	}
	s.add(sec(3), sec(3.75), 75) // the last rate is over the time that has passed in its step
	if v := s.view(); v.BytesPerSecond[3] != 113 {
		t.Errorf("%+v", v)
	}
	s.add(sec(-9), sec(-8), 100) // before the start, because the clock went back
	if v := s.view(); v.BytesPerSecond[0] != 200 {
		t.Errorf("%+v", v)
	}
	s = series{}
	s.add(sec(0), sec(MaxSamples), MaxSamples*60)
	v := s.view()
	if v.Step != 2 || len(v.BytesPerSecond) != MaxSamples/2 || v.BytesPerSecond[0] != 60 || v.BytesPerSecond[MaxSamples/2-1] != 60 {
		t.Errorf("%+v", v)
	}
	s.add(sec(MaxSamples), sec(MaxSamples*5), MaxSamples*240)
	v = s.view()
	total := 0.0
	for _, n := range s.bytes {
		total += n
	}
	if v.Step != 8 || v.BytesPerSecond[20] != 60 || math.Round(total) != MaxSamples*300 {
		t.Errorf("%+v, %v in all", v, total)
	}
}

// TestClockAhead: if the clock of the server is ahead, its times in the future
// count as now.
func TestClockAhead(t *testing.T) {
	s := newScript(t, Options{})
	ahead := func(e *wire.Event) {
		e.Data.Status.SentTime, e.Data.Status.ReceivedTime = s.now.Add(time.Hour), s.now.Add(time.Hour)
	}
	s.event(1, wire.JobInitialized, ahead).at(2).event(1, wire.Transferring, ahead, done(20)).at(4)
	if r := s.run(1); !r.Started.Equal(start) || s.now.Sub(r.LastChange) != 2*time.Second || r.Rate != 10 {
		t.Errorf("%+v", r)
	}
}
