package momserver_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestCacheAge is the time since the oldest event was published that is still
// cached, to the nanosecond.
func TestCacheAge(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 3}, func(s *harness.Server) {
		if age := s.Stats().CacheAge; age != 0 {
			t.Errorf("%v without an event", age)
		}
		for i := range 10 {
			s.PublishN(1)
			if age, want := s.Stats().CacheAge, time.Duration(min(i, 2))*time.Second; age != want {
				t.Errorf("after %d events: %v; want %v", i+1, age, want)
			}
			time.Sleep(time.Second)
		}
		if age := s.Stats().CacheAge; age != 3*time.Second {
			t.Errorf("%v; want 3s", age)
		}
	})
}

// TestJobStates holds the counts by state against the jobs themselves, after
// each of many random events, with more jobs than are kept.
func TestJobStates(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxJobs: 5}, func(s *harness.Server) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		jobs := make([]uuid.UUID, 8)
		for i := range jobs {
			jobs[i] = uuid.New()
		}
		ever := make(map[wire.Outcome]int)
		for range 500 {
			e := wire.Event{JobID: jobs[r.IntN(len(jobs))], RunID: uuid.New()}
			e.Data.Status.State = wire.States()[r.IntN(len(wire.States()))]
			e.Data.Progress.PackagesFailed, e.Data.Progress.PackagesDone = r.IntN(2), r.IntN(2)
			if r.IntN(4) == 0 {
				e.Data.Status.Outcome = wire.Cancelled
			}
			s.Must(e)
			want, ended := make(map[wire.State]int), make(map[wire.Outcome]int)
			for _, e := range s.Jobs() {
				want[e.Data.Status.State]++
				ended[e.Outcome()]++
			}
			st := s.Stats()
			for _, s := range wire.States() {
				if n, ok := st.Jobs[s]; !ok || n != want[s] {
					t.Fatalf("%v: %v; want %v", s, st.Jobs, want)
				}
			}
			for _, o := range wire.Outcomes() {
				if n, ok := st.JobsEnded[o]; !ok || n != ended[o] {
					t.Fatalf("%v: %v; want %v", o, st.JobsEnded, ended)
				}
				ever[o] += ended[o]
			}
		}
		for _, o := range wire.Outcomes() {
			if ever[o] == 0 || s.Stats().RunsEnded[o] == 0 {
				t.Errorf("no run ever ended with %v: this test sees too little", o)
			}
		}
	})
}

// TestJobStats follows the figures of a job through its runs, to the nanosecond.
func TestJobStats(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxJobs: 2, MaxRuns: 3, MaxRunSilence: time.Minute}, func(s *harness.Server) {
		job, began := uuid.New(), time.Now()
		want := momserver.JobStats{JobID: job, Name: "site", FirstChange: began, RunsEnded: map[wire.Outcome]uint64{
			wire.Succeeded: 0, wire.SucceededWithErrors: 0, wire.Failed: 0, wire.Cancelled: 0,
		}}
		check := func(when string) {
			t.Helper()
			want.LastChange = time.Now()
			got, more := s.JobStats(1)
			if len(got) != 1 || !reflect.DeepEqual(comparable(got[0]), comparable(want)) || more != 0 {
				t.Fatalf("%s: %+v, %d more; want %+v", when, got, more, want)
			}
		}
		publish := func(run uuid.UUID, state wire.State, set func(*wire.Event)) {
			e := harness.Event(job, run, "site", state)
			set(&e)
			s.Must(e)
		}
		nothing := func(*wire.Event) {}
		runs := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
		publish(runs[0], wire.JobInitialized, nothing)
		want.Running = 1
		check("the first run began")
		time.Sleep(time.Second)
		publish(runs[1], wire.JobInitialized, nothing)
		want.Running = 2
		check("a second run began beside it")
		time.Sleep(time.Second)
		publish(runs[0], wire.Transferring, nothing)
		check("a change of the first run")
		time.Sleep(time.Second)
		publish(runs[0], wire.JobCompleted, func(e *wire.Event) {
			e.Data.Progress = wire.Progress{FilesDone: 3, BytesDone: 40, PackagesDone: 1}
		})
		want.Running, want.LastSuccess, want.LastEnd, want.LastDuration, want.LastOutcome = 1, time.Now(), time.Now(), 3*time.Second, wire.Succeeded
		want.Files, want.Bytes, want.RunsEnded[wire.Succeeded] = 3, 40, 1
		check("the first run succeeded")
		time.Sleep(time.Second)
		publish(runs[1], wire.ExportingError, func(e *wire.Event) {
			e.Data.Progress = wire.Progress{FilesDone: 1, BytesDone: 2, Errors: 5}
		})
		want.Running, want.LastEnd, want.LastOutcome = 0, time.Now(), wire.Failed
		want.Files, want.Bytes, want.Errors, want.RunsEnded[wire.Failed] = 4, 42, 5, 1
		check("the second run failed")
		publish(runs[2], wire.JobInitialized, func(e *wire.Event) { e.Data.Initialize.DryRun = true })
		want.Running = 1
		check("a dry run began")
		time.Sleep(time.Second)
		publish(runs[2], wire.JobCompleted, func(e *wire.Event) {
			e.Data.Initialize.DryRun, e.Data.Progress.FilesDone = true, 9
		})
		want.Running = 0
		check("a dry run counts only while it runs")

		publish(runs[3], wire.JobInitialized, nothing)
		time.Sleep(time.Minute)
		other := uuid.New()
		for range 3 { // the last one takes the place of the silent run
			s.Must(harness.Event(other, uuid.New(), "other", wire.JobInitialized))
		}
		got, _ := s.JobStats(2)
		if len(got) != 2 || got[0].JobID != other || got[0].Running != 3 || got[1].Running != 0 || got[1].RunsEnded[wire.Failed] != 2 ||
			got[1].Errors != 6 || got[1].LastDuration != time.Minute || !got[1].LastEnd.Equal(time.Now()) {
			t.Errorf("a run gave way: %+v", got)
		}
		s.Must(harness.Event(uuid.New(), uuid.New(), strings.Repeat("x", 2000), wire.JobCompleted))
		if got, more := s.JobStats(1); len(got) != 1 || more != 1 || got[0].Name != strings.Repeat("x", 1<<10)+"…" {
			t.Errorf("a long name: %+v, %d more", got, more)
		}
		publish(uuid.New(), wire.JobCompleted, nothing)
		if got, more := s.JobStats(9); len(got) != 2 || more != 0 || got[0].RunsEnded[wire.Succeeded] != 1 || got[0].Bytes != 0 || !got[0].FirstChange.Equal(time.Now()) {
			t.Errorf("a job comes back that was dropped over MaxJobs: %+v, %d more", got, more)
		}
		if got, more := (*momserver.Server)(nil).JobStats(1); got != nil || more != 0 {
			t.Errorf("a server that is switched off: %v, %d", got, more)
		}
	})
}

// comparable returns the figures with times in one form.
func comparable(j momserver.JobStats) momserver.JobStats {
	for _, at := range []*time.Time{&j.FirstChange, &j.LastChange, &j.LastSuccess, &j.LastEnd} {
		*at = at.Round(0).UTC()
	}
	return j
}

// TestPublishing counts the events that were published, and none that was
// refused.
func TestPublishing(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxRuns: 1}, func(s *harness.Server) {
		s.PublishN(7)
		err := s.Publish(harness.Event(s.JobID, uuid.New(), "", wire.JobInitialized))
		if st := s.Stats(); !errors.Is(err, wire.Full) || st.Publishing.Count != 7 || st.Published != 7 {
			t.Errorf("%d observed, %d published, %v", st.Publishing.Count, st.Published, err)
		}
	})
}

// TestMaxLag is the lag of the slowest of the subscribers.
func TestMaxLag(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.Subscribed(momclient.Options{})
		slow := momclient.Options{Name: "slow", Queue: 4}
		c := s.Client(slow)
		release := make(chan struct{})
		c.OnEvent(func(wire.Event) { <-release })
		c.MustSubscribe()
		s.PublishN(100)
		synctest.Wait()
		var want uint64
		for _, sub := range s.Subscribers() {
			want = max(want, sub.Lag)
		}
		if got := s.Stats().MaxLag; got != want || got < 90 {
			t.Errorf("%d; want %d", got, want)
		}
		close(release)
		synctest.Wait()
		if got := s.Stats().MaxLag; got != 0 {
			t.Errorf("%d where nobody lags", got)
		}
	})
}

// TestDelivered counts each event for each subscriber that it was sent to.
func TestDelivered(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		for n := range uint64(3) {
			s.PublishN(7)
			synctest.Wait()
			// Each has a snapshot of one event, and then all that are published.
			if got, want := s.Stats().Delivered, n+7*n*(n+1)/2; got != want {
				t.Errorf("%d delivered to %d subscribers; want %d", got, n, want)
			}
			s.Subscribed(momclient.Options{})
		}
	})
}
