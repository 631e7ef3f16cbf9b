package completion

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// TestUnknownJobs is bounded and clean, whatever the names are.
func TestUnknownJobs(t *testing.T) {
	named := func(names ...string) (events []wire.Event) {
		for _, name := range names {
			events = append(events, *event(wire.JobInitialized, name))
		}
		return events
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint(i))
	}
	odd := id("odd")
	for _, tc := range []struct {
		filter wire.Filter
		events []wire.Event
		want   string
	}{
		{wire.Filter{Names: []string{"a"}}, named("b", "a"), ""},
		{wire.Filter{Names: []string{"a", "c"}}, named("a", "a"), `no job is named "c" so far; the jobs are "a"`},
		{wire.Filter{Names: []string{"a"}}, nil, `no job is named "a" so far; there are no jobs yet`},
		{wire.Filter{Names: []string{"a"}, Jobs: []uuid.UUID{odd}}, named("b"), `no job is named "a", no job has the ID ` + odd.String() + ` so far; the jobs are "b"`},
		{wire.Filter{Names: many}, named("x\x1b[2J\n"), `no job is named "0", no job is named "1", no job is named "2", no job is named "3", no job is named "4", … so far; the jobs are "x\x1b[2J\n"`},
		{wire.Filter{Names: []string{"a"}}, named(many...), `no job is named "a" so far; the jobs are "0", "1", "2", "3", "4", …`},
		{wire.Filter{Names: []string{"a"}}, named(strings.Repeat("n", 1000)), `no job is named "a" so far; the jobs are "` + strings.Repeat("n", maxSomeName) + `…"`},
	} {
		if got := unknownJobs(&tc.filter, tc.events); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

// TestUnknownJobCheckStops cancels a question that is not answered, and asks no
// other.
func TestUnknownJobCheckStops(t *testing.T) {
	asked := 0
	u := NewUnknownJobCheck(t.Context(), &wire.Filter{Names: []string{"a"}}, func(text string) { t.Error(text) })
	s := u.Add(func(ctx context.Context) ([]wire.Event, error) {
		asked++
		<-ctx.Done()
		return nil, nil
	})
	s.Start()
	s.Start() // the first question is not answered yet
	u.Stop()
	s.Start()
	u.asking.Wait()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// TestUnknownJobsOfServers reports a job that no server has, once each server has
// answered or is away, and no job that one of them has.
func TestUnknownJobsOfServers(t *testing.T) {
	for job, want := range map[string]string{"a": "", "b": "", "c": `no job is named "c" so far; the jobs are "a", "b"`} {
		said := ""
		u := NewUnknownJobCheck(t.Context(), &wire.Filter{Names: []string{job}}, func(text string) { said += text })
		has := func(job string) *ServerCheck {
			return u.Add(func(context.Context) ([]wire.Event, error) {
				return []wire.Event{*event(wire.JobInitialized, job)}, nil
			})
		}
		first, second, third := has("a"), has("b"), has("nothing, because it is away")
		for _, s := range []*ServerCheck{first, second} {
			s.Start()
			u.asking.Wait()
		}
		if said != "" {
			t.Errorf("%s: before the third has answered: %s", job, said)
		}
		third.Away()
		third.Away()
		if said != want {
			t.Errorf("%s: %q, want %q", job, said, want)
		}
	}
}
