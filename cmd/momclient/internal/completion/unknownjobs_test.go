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
	u := NewUnknownJobCheck(t.Context(), &wire.Filter{Names: []string{"a"}}, func(ctx context.Context) ([]wire.Event, error) {
		asked++
		<-ctx.Done()
		return nil, nil
	}, func(text string) { t.Error(text) })
	u.Start()
	u.Start() // the first is open
	u.Stop()
	u.Start()
	u.asking.Wait()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
