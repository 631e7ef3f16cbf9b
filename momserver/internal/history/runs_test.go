package history

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// spoken is an event of a run of a job of the same ID.
func spoken(run uuid.UUID, state wire.State) wire.Event {
	return wire.Event{JobID: run, RunID: run, Data: wire.TransferData{
		Initialize: &wire.InitializeData{Name: "job"}, Status: wire.Status{State: state, Final: state.EndsRun(false)},
	}}
}

// cached returns the events in the cache.
func cached(t *testing.T, h *History) (events []wire.Event) {
	t.Helper()
	at, err := h.Begin(wire.FromOldest, wire.Cursor{}, false)
	if err != nil {
		t.Fatal(err)
	}
	data, n := h.Read(&at, new(Reader), portionOf(1<<20, 1<<30), nil)
	if err := protocol.NewEventDecoder(h.types).Decode(data, n, func(e *wire.Event) { events = append(events, *e) }); err != nil {
		t.Fatal(err)
	}
	return events
}

// TestSilentRunGivesWay ends the run that has been silent longest, at
// MaxRunSilence and not a nanosecond before, and never one that has an owner.
func TestSilentRunGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, began := withDefaults(Limits{Runs: 3}), time.Now()
		a, b, c, d, e := uuid.UUID{1}, uuid.UUID{2}, uuid.UUID{3}, uuid.UUID{4}, uuid.UUID{5}
		owned := uuid.UUID{9}
		publish := func(ev wire.Event) error { return h.Publish(&ev, time.Since(began), ev.RunID == owned) }
		if err := publish(spoken(owned, wire.JobInitialized)); err != nil {
			t.Fatal(err)
		}
		say := func(run uuid.UUID, state wire.State, want error) {
			t.Helper()
			if err := publish(spoken(run, state)); !errors.Is(err, want) {
				t.Errorf("at %v: %v; want %v", time.Since(began), err, want)
			}
		}
		say(a, wire.JobInitialized, nil)
		say(b, wire.JobInitialized, nil)
		say(c, wire.JobInitialized, wire.Full)
		time.Sleep(30 * time.Minute)
		ev := spoken(a, wire.Transferring)
		ev.Data.Header, ev.Data.Body = &wire.PackageHeader{Number: 1}, &wire.PackageBody{Files: 1}
		ev.Data.Progress.Errors = 2
		if err := publish(ev); err != nil { // so that b has been silent longest
			t.Fatal(err)
		}
		time.Sleep(30*time.Minute - time.Nanosecond)
		say(c, wire.JobInitialized, wire.Full)
		time.Sleep(time.Nanosecond)
		say(c, wire.JobCompleted, nil) // one that ends needs no place
		long := spoken(d, wire.JobInitialized)
		long.Data.Body = &wire.PackageBody{Item: strings.Repeat("x", 64<<10)}
		if err := publish(long); !errors.Is(err, wire.TooLarge) { // and what is refused takes none
			t.Errorf("too large: %v", err)
		}
		say(d, wire.JobInitialized, nil) // in place of b
		say(b, wire.Transferring, wire.RunEnded)
		say(b, wire.JobCompleted, wire.RunEnded)
		say(e, wire.JobInitialized, wire.Full) // a has spoken half an hour ago
		time.Sleep(30 * time.Minute)
		say(e, wire.JobInitialized, nil) // in place of a
		say(c, wire.JobInitialized, wire.Full)
		say(d, wire.JobCompleted, nil)
		say(e, wire.JobCompleted, nil)
		time.Sleep(24 * time.Hour)
		say(uuid.UUID{6}, wire.JobInitialized, nil)
		say(uuid.UUID{7}, wire.JobInitialized, nil)
		say(c, wire.JobInitialized, wire.Full) // the third has an owner
		say(owned, wire.JobCompleted, nil)

		var got []string
		events := cached(t, h)
		for i, ev := range events {
			if ev.Seq != uint64(i+1) {
				t.Errorf("event %d is %d", i+1, ev.Seq)
			}
			if ev.RunID != owned {
				got = append(got, fmt.Sprintf("%x:%s", ev.RunID[0], strings.TrimPrefix(ev.Data.Status.State.String(), "Mirroring")))
			}
		}
		const want = "1:JobInitialized 2:JobInitialized 1:Transferring 3:JobCompleted 2:ExportingError 4:JobInitialized 1:ExportingError 5:JobInitialized 4:JobCompleted 5:JobCompleted 6:JobInitialized 7:JobInitialized"
		if strings.Join(got, " ") != want {
			t.Errorf("published\n%s; want\n%s", strings.Join(got, " "), want)
		}
		end := events[7] // of a
		log := end.Data.Status.Log
		if !end.EndsRun() || end.JobID != a || end.Name() != "job" || end.Data.Header != nil || end.Data.Body != nil || end.Data.Progress.Errors != 3 ||
			!end.Data.Status.ReceivedTime.Equal(began.Add(90*time.Minute)) || len(log) != 1 || log[0].Severity != wire.SeverityError ||
			log[0].Message != "no event of this run was published for 1h0m0s (Config.MaxRunSilence), and a new run needed its place (Config.MaxRuns)" {
			t.Errorf("the end: %+v, its log %+v", end, log)
		}
	})
}

// TestForgottenRuns: any number of runs may be left unfinished by their owners.
// Each gives way once, however little room its description leaves for the last
// event, and nothing is kept of the run once the cache has moved on.
func TestForgottenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, began := withDefaults(Limits{Runs: 50, Events: 10, EventBytes: 1000, Jobs: 1}), time.Now()
		ends := 0
		for i := range 500 {
			if i > 0 && i%50 == 0 {
				time.Sleep(time.Hour)
			}
			ev := spoken(uuid.New(), wire.JobInitialized)
			ev.Data.Initialize.Name = strings.Repeat("x", 900*(i%2))
			if err := h.Publish(&ev, time.Since(began), false); err != nil {
				t.Fatal(err)
			}
			if n := h.Figures().Runs; n > 50 || h.runs.silent.Len() != n {
				t.Fatalf("%d unfinished runs, %d in order of their silence", n, h.runs.silent.Len())
			}
			for _, ev := range cached(t, h)[max(0, h.Figures().Events-2):] {
				if ev.EndsRun() {
					ends++
				}
			}
		}
		if ends != 450 {
			t.Errorf("%d runs ended; want 450", ends)
		}
		if n := len(h.runs.byID); n > 61 {
			t.Errorf("%d runs are kept", n)
		}
	})
}

// TestGaveWay checks that runs that gave way are remembered, up to a bound.
func TestGaveWay(t *testing.T) {
	var r runs
	id := func(i int) uuid.UUID { return uuid.UUID{byte(i), 1} }
	for i := range 100 {
		r.giveWay(id(i), 10)
	}
	for i := range 100 {
		if got := r.gaveWay(id(i)); got != (i >= 90) {
			t.Errorf("run %d gave way: %v", i, got)
		}
	}
	if len(r.gone) != 10 || len(r.order) != 10 {
		t.Errorf("%d and %d runs are remembered", len(r.gone), len(r.order))
	}
}

// TestSmallEnd ends a silent run whose last event has no room for the reason,
// or for anything but the end.
func TestSmallEnd(t *testing.T) {
	for _, most := range []int{110, 130, 160, 200, 300, 1000} {
		synctest.Test(t, func(t *testing.T) {
			h, began := withDefaults(Limits{Runs: 1, EventBytes: most}), time.Now()
			publish := func(ev wire.Event) error { return h.Publish(&ev, time.Since(began), false) }
			begin := spoken(uuid.New(), wire.Transferring)
			begin.Data.Initialize = nil
			if err := publish(begin); err != nil {
				t.Fatalf("%d bytes: %v", most, err)
			}
			time.Sleep(time.Hour)
			begin.RunID = uuid.New()
			if err := publish(begin); err != nil {
				t.Errorf("%d bytes: %v", most, err)
			}
			if events := cached(t, h); len(events) != 3 || !events[1].EndsRun() || events[1].RunID != events[0].RunID {
				t.Errorf("%d bytes: %d events", most, len(events))
			}
		})
	}
}
