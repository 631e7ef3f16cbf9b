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

// UnknownJobCheck asks each server, at each connection, which jobs there are. If no
// server has some job of -job, it reports that once: the user may have misspelled a
// name, and nothing else would show that. It does not wait for a server that is away. A
// nil UnknownJobCheck does nothing.
type UnknownJobCheck struct {
	filter *wire.Filter
	say    func(string)
	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	asking sync.WaitGroup

	mu      sync.Mutex // guards the fields below, and those of the servers
	servers []*ServerCheck
	said    bool
}

// ServerCheck is the part of an UnknownJobCheck for one server.
type ServerCheck struct {
	*UnknownJobCheck
	jobs func(context.Context) ([]wire.Event, error)

	// The mu of the UnknownJobCheck guards the fields below.
	busy     bool         // a call of jobs has not returned
	answered bool         // at least once
	away     bool         // the server is away
	events   []wire.Event // its last answer
}

// NewUnknownJobCheck returns nil if f names no job. say prints the report.
func NewUnknownJobCheck(ctx context.Context, f *wire.Filter, say func(string)) *UnknownJobCheck {
	if len(f.Jobs)+len(f.Names) == 0 {
		return nil
	}
	u := &UnknownJobCheck{filter: f, say: say}
	u.ctx, u.cancel = context.WithCancel(ctx)
	return u
}

// Add adds a server, before the first call of Start. jobs asks the server for its jobs.
func (u *UnknownJobCheck) Add(jobs func(context.Context) ([]wire.Event, error)) *ServerCheck {
	if u == nil {
		return nil
	}
	s := &ServerCheck{UnknownJobCheck: u, jobs: jobs}
	u.servers = append(u.servers, s)
	return s
}

// Start asks in a goroutine, one question at a time. If there is no answer, the
// next connection asks again.
func (s *ServerCheck) Start() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = false
	if !s.busy && !s.said && s.ctx.Err() == nil {
		s.busy = true
		s.asking.Go(s.check)
	}
}

func (s *ServerCheck) check() {
	events, err := s.jobs(s.ctx)
	s.mu.Lock()
	s.busy = false
	if err == nil {
		s.answered, s.events = true, events
	}
	text := s.report()
	s.mu.Unlock()
	if text != "" {
		s.say(text)
	}
}

// Away reports that the server is away, so that the report does not wait for its
// answer.
func (s *ServerCheck) Away() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.away = true
	text := s.report()
	s.mu.Unlock()
	if text != "" {
		s.say(text)
	}
}

// report returns the report, once, if each server has answered or is away, and at
// least one has answered. mu is held.
func (u *UnknownJobCheck) report() (text string) {
	var events []wire.Event
	answered := false
	for _, s := range u.servers {
		if s.busy || !s.answered && !s.away {
			return ""
		}
		answered = answered || s.answered
		events = append(events, s.events...)
	}
	if answered && !u.said && u.ctx.Err() == nil {
		text = unknownJobs(u.filter, events)
		u.said = text != ""
	}
	return text
}

// Stop cancels all open questions and waits for their goroutines. No question
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
	return some(missing) + " so far; " + JobNames(names)
}

// JobNames returns a clause that lists the jobs, for a message.
func JobNames(names []string) string {
	if len(names) == 0 {
		return "there are no jobs yet"
	}
	return "the jobs are " + someNames(names)
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
