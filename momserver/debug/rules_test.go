package debug

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver/debug/exposition/expositiontest"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestRules scrapes a server for thirty hours, and tests the alerts that fire.
// After fifteen hours the server is started again, and has none of its earlier
// figures.
func TestRules(t *testing.T) {
	const interval, hours, restart = 5 * time.Minute, 30, 15
	scrapes := expositiontest.Scrapes{Interval: interval}
	job := func(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }
	harness.Bubble(t, func(s *harness.Server) {
		s.Start()
		scrapes.Start = time.Now()
		run := uuid.New()
		say := func(name string, state wire.State, set func(*wire.Event)) {
			e := harness.Event(job(name), run, name, state)
			set(&e)
			s.Must(e)
		}
		nothing := func(*wire.Event) {}
		busy, stalled := uuid.New(), uuid.New()
		for i := range hours * 12 {
			hour, minute := i/12, i%12*5
			if hour == restart && minute == 0 {
				s.Close()
				s.Start()
			}
			if run = uuid.New(); minute == 0 {
				say("healthy", wire.JobCompleted, nothing)
				say("cancelled", wire.ExportingError, func(e *wire.Event) { e.Data.Status.Outcome = wire.Cancelled })
				if hour < 2 {
					say("failing", wire.JobCompleted, nothing)
				} else {
					say("failing", wire.ExportingError, nothing)
				}
				if hour == 1 {
					say("absent", wire.JobCompleted, nothing)
				}
			}
			if run = busy; hour >= 3 {
				say("busy", wire.Transferring, nothing)
			}
			if run = stalled; hour == 3 {
				say("stalled", wire.Transferring, nothing)
			}
			page := get(Handler(s.Server), "/metrics").Body.String()
			scrapes.Pages = append(scrapes.Pages, page)
			time.Sleep(interval)
		}
	})
	alert := func(name, summary string, more ...string) expositiontest.Alert {
		labels := map[string]string{"severity": "warning", "job_name": name, "job_id": job(name).String()}
		for i := 0; i < len(more); i += 2 {
			labels[more[i]] = more[i+1]
		}
		return expositiontest.Alert{Labels: labels, Summary: fmt.Sprintf(summary, name)}
	}
	failing := alert("failing", "The last run of %s ended so: Failed.", "outcome", "Failed")
	var alerts []expositiontest.Alerts
	expect := func(at time.Duration, name string, want ...expositiontest.Alert) {
		alerts = append(alerts, expositiontest.Alerts{At: at, Name: name, Want: want})
	}
	expect(time.Hour, "MirroringFailed")
	expect(2*time.Hour, "MirroringFailed", failing)
	expect(restart*time.Hour, "MirroringFailed", failing)
	expect(4*time.Hour, "MirroringStalled")
	expect(4*time.Hour+10*time.Minute, "MirroringStalled", alert("stalled", "A run of %s has not changed for 15m 0s."))
	expect(restart*time.Hour, "MirroringStalled")
	expect(26*time.Hour, "MirroringStale")
	expect(26*time.Hour+5*time.Minute, "MirroringStale", alert("cancelled", "%s has not succeeded for 1d 2h 5m 0s."))
	expect(28*time.Hour, "MirroringStale", alert("cancelled", "%s has not succeeded for 1d 4h 0m 0s."),
		alert("failing", "%s has not succeeded for 1d 3h 0m 0s."), alert("absent", "%s has not succeeded for 1d 3h 0m 0s."))
	expositiontest.TestRules(t, "../../testdata/prometheus/mom.rules.yml", "momserver_", scrapes, alerts)
}
