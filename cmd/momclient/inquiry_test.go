package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestUnknownJob says once that no job has the name, which jobs there are, and
// goes on waiting.
func TestUnknownJob(t *testing.T) {
	inBubble(t, func(s *site) {
		s.job("odd to wo").Complete()
		s.watch("-exit-when-done", "-job", "odd", "-period", "1s")
		s.running()
		const want = "momclient: connected mem:7420\nmomclient: no job is named \"odd\" so far; there are \"odd to wo\"\n"
		if got := s.stderr.String(); got != want {
			t.Errorf("stderr %q, want %q", got, want)
		}
		s.net.Cut()
		time.Sleep(time.Minute)
		s.running()
		if n := strings.Count(s.stderr.String(), "no job is named"); n != 1 {
			t.Errorf("said %d times\n%s", n, &s.stderr)
		}
		s.job("odd").Complete()
		s.exits(exitOK, 0)
	})
}

// TestKnownJob says nothing of a job that the server knows, by its name or ID,
// but asks again at the next connection: it may be another server.
func TestKnownJob(t *testing.T) {
	for _, job := range []string{"site", jobID("site").String()} {
		inBubble(t, func(s *site) {
			s.job("site").Complete()
			s.watch("-job", job, "-period", "1s")
			s.running()
			if strings.Contains(s.stderr.String(), "no job") {
				t.Error(&s.stderr)
			}
			s.serve(momserver.Config{})
			time.Sleep(2 * time.Second)
			s.running()
			s.cancel()
			s.exits(exitOK, 0, "no job ", job)
		})
	}
}

// TestUnknownJobs is bounded and steers no terminal, whatever the server says.
func TestUnknownJobs(t *testing.T) {
	named := func(names ...string) (events []wire.Event) {
		for _, name := range names {
			events = append(events, *event(1, wire.JobInitialized, func(e *wire.Event) { e.JobID, e.Data.Initialize.Name = jobID(name), name }))
		}
		return events
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint(i))
	}
	id := jobID("odd")
	for _, tc := range []struct {
		filter wire.Filter
		events []wire.Event
		want   string
	}{
		{wire.Filter{Names: []string{"a"}}, named("b", "a"), ""},
		{wire.Filter{Names: []string{"a", "c"}}, named("a", "a"), `no job is named "c" so far; there are "a"`},
		{wire.Filter{Names: []string{"a"}}, nil, `no job is named "a" so far; there is none yet`},
		{wire.Filter{Names: []string{"a"}, Jobs: []uuid.UUID{id}}, named("b"), `no job is named "a", no job has the ID ` + id.String() + ` so far; there are "b"`},
		{wire.Filter{Names: many}, named("x\x1b[2J\n"), `no job is named "0", no job is named "1", no job is named "2", no job is named "3", no job is named "4", … so far; there are "x\x1b[2J\n"`},
		{wire.Filter{Names: []string{"a"}}, named(many...), `no job is named "a" so far; there are "0", "1", "2", "3", "4", …`},
		{wire.Filter{Names: []string{"a"}}, named(strings.Repeat("n", 1000)), `no job is named "a" so far; there are "` + strings.Repeat("n", maxSomeName) + `…"`},
	} {
		if got := unknownJobs(&tc.filter, tc.events); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

// TestInquiryStops gives up a question that is not answered, and asks no more.
func TestInquiryStops(t *testing.T) {
	asked := 0
	q := newInquiry(t.Context(), &wire.Filter{Names: []string{"a"}}, func(ctx context.Context) ([]wire.Event, error) {
		asked++
		<-ctx.Done()
		return nil, nil
	}, func(text string) { t.Error(text) })
	q.ask()
	q.ask() // the first is open
	q.stop()
	q.ask()
	q.asking.Wait()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
