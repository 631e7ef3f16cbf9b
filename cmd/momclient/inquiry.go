package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"mom.internal/wire"
)

// inquiry asks the server, at each connection, which jobs there are, until it
// has said once that some of -job are not among them: a name with a slip in it
// is waited for in vain, and nothing else would tell. A nil one does nothing.
type inquiry struct {
	filter *wire.Filter
	jobs   func(context.Context) ([]wire.Event, error)
	say    func(string)
	ctx    context.Context // ends with stop
	cancel context.CancelFunc
	asking sync.WaitGroup

	mu   sync.Mutex // guards the fields below
	busy bool
	said bool
}

// newInquiry returns nil where no job is named.
func newInquiry(ctx context.Context, f *wire.Filter, jobs func(context.Context) ([]wire.Event, error), say func(string)) *inquiry {
	if len(f.Jobs)+len(f.Names) == 0 {
		return nil
	}
	q := &inquiry{filter: f, jobs: jobs, say: say}
	q.ctx, q.cancel = context.WithCancel(ctx)
	return q
}

// ask asks aside, one question at a time. Where there is no answer, the next
// connection asks again.
func (q *inquiry) ask() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.busy && !q.said && q.ctx.Err() == nil {
		q.busy = true
		q.asking.Go(q.askNow)
	}
}

func (q *inquiry) askNow() {
	events, err := q.jobs(q.ctx)
	text := ""
	if err == nil && q.ctx.Err() == nil {
		text = unknownJobs(q.filter, events)
	}
	q.mu.Lock()
	q.busy, q.said = false, text != ""
	q.mu.Unlock()
	if text != "" {
		q.say(text)
	}
}

// stop ends a question that is open, and waits for that; none follows.
func (q *inquiry) stop() {
	if q == nil {
		return
	}
	q.mu.Lock()
	q.cancel()
	q.mu.Unlock()
	q.asking.Wait()
}

// unknownJobs says which jobs of the filter are not among those that the events
// are of, and which there are; "" where none is unknown.
func unknownJobs(f *wire.Filter, events []wire.Event) string {
	known := make(map[string]bool) // names and IDs
	var names []string
	for i := range events {
		known[events[i].JobID.String()] = true
		name := events[i].Name()
		if !known[name] && name != "" {
			names = append(names, name)
		}
		known[name] = true
	}
	var missing []string
	for _, name := range f.Names {
		if !known[name] {
			missing = append(missing, "no job is named "+someNames([]string{name}))
		}
	}
	for _, id := range f.Jobs {
		if !known[id.String()] {
			missing = append(missing, "no job has the ID "+id.String())
		}
	}
	if len(missing) == 0 {
		return ""
	}
	there := "; there is none yet"
	if len(names) > 0 {
		there = "; there are " + someNames(names)
	}
	return some(missing) + " so far" + there
}

// Of a list, and of a name in it, so much is said.
const (
	maxSome     = 5
	maxSomeName = 64 // bytes
)

// someNames is some, of names in quotes.
func someNames(names []string) string {
	quoted := make([]string, 0, maxSome+1)
	for _, name := range names[:min(len(names), maxSome+1)] {
		quoted = append(quoted, `"`+clean(wire.Clip(name, maxSomeName))+`"`)
	}
	return some(quoted)
}

// some lists the first few.
func some(list []string) string {
	if len(list) > maxSome {
		return fmt.Sprintf("%s, …", strings.Join(list[:maxSome], ", "))
	}
	return strings.Join(list, ", ")
}
