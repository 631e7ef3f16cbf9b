package completion

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// UnknownJobCheck asks the server, at each connection, which jobs there are. If
// jobs of -job are not among them, it reports that once: the user may have
// misspelled a name, and nothing else would show that. A nil UnknownJobCheck
// does nothing.
type UnknownJobCheck struct {
	filter *wire.Filter
	jobs   func(context.Context) ([]wire.Event, error)
	say    func(string)
	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	asking sync.WaitGroup

	mu   sync.Mutex // guards the fields below
	busy bool
	said bool
}

// NewUnknownJobCheck returns nil if f names no job. jobs asks the server, and
// say prints the report.
func NewUnknownJobCheck(ctx context.Context, f *wire.Filter, jobs func(context.Context) ([]wire.Event, error), say func(string)) *UnknownJobCheck {
	if len(f.Jobs)+len(f.Names) == 0 {
		return nil
	}
	u := &UnknownJobCheck{filter: f, jobs: jobs, say: say}
	u.ctx, u.cancel = context.WithCancel(ctx)
	return u
}

// Start asks in a goroutine, one question at a time. If there is no answer, the
// next connection asks again.
func (u *UnknownJobCheck) Start() {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.busy && !u.said && u.ctx.Err() == nil {
		u.busy = true
		u.asking.Go(u.check)
	}
}

func (u *UnknownJobCheck) check() {
	events, err := u.jobs(u.ctx)
	text := ""
	if err == nil && u.ctx.Err() == nil {
		text = unknownJobs(u.filter, events)
	}
	u.mu.Lock()
	u.busy, u.said = false, text != ""
	u.mu.Unlock()
	if text != "" {
		u.say(text)
	}
}

// Stop cancels an open question and waits for its goroutine. No question
// follows.
func (u *UnknownJobCheck) Stop() {
	if u == nil {
		return
	}
	u.mu.Lock()
	u.cancel()
	u.mu.Unlock()
	u.asking.Wait()
}

// unknownJobs names the jobs of the filter that are not among the jobs of the
// events, and lists the latter. It returns "" if there are none.
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
	there := "; there are no jobs yet"
	if len(names) > 0 {
		there = "; the jobs are " + someNames(names)
	}
	return some(missing) + " so far" + there
}

// Limits of a list, and of a name in it.
const (
	maxSome     = 5
	maxSomeName = 64 // bytes
)

// someNames is some for names, which it puts in quotes.
func someNames(names []string) string {
	quoted := make([]string, 0, maxSome+1)
	for _, name := range names[:min(len(names), maxSome+1)] {
		quoted = append(quoted, `"`+output.Clean(wire.EscapeName(duplex.Clip(name, maxSomeName)))+`"`)
	}
	return some(quoted)
}

// some lists the first values, up to maxSome.
func some(list []string) string {
	if len(list) > maxSome {
		return fmt.Sprintf("%s, …", strings.Join(list[:maxSome], ", "))
	}
	return strings.Join(list, ", ")
}
