package momserver_test

import (
	"errors"
	"math/rand/v2"
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
