package momserver

import "sync"

// misuse.go keeps account of what a Job or a Package could not use, because the
// methods that report progress return no error.

// misuses counts misuse, and holds which kinds have been logged.
type misuses struct {
	mu     sync.Mutex // guards all below
	count  uint64
	logged map[misuse]bool
}

// misuse is a kind of misuse.
type misuse string

const (
	negativeCount misuse = "a negative count, or more than a run can count"
	movedTooLate  misuse = "bytes or a size of a package that has arrived or has ended"
	tooMuchBack   misuse = "a retry of more bytes than were moved"
	afterComplete misuse = "progress of a run that has been completed"
)

// misused counts and logs a misuse. args are further attributes of the log line.
func (s *Server) misused(kind misuse, args ...any) {
	if s == nil {
		return
	}
	m := &s.misuses
	m.mu.Lock()
	m.count++
	first := !m.logged[kind]
	if first {
		if m.logged == nil {
			m.logged = make(map[misuse]bool)
		}
		m.logged[kind] = true
	}
	m.mu.Unlock()
	if first {
		s.cfg.Logger.Warn("momserver: misuse of a Job or a Package is ignored; more of this kind is only counted", append([]any{"kind", string(kind)}, args...)...)
	}
}

// logRefused logs that a run or a package is not monitored.
func (s *Server) logRefused(message string, why error, args ...any) {
	if s != nil {
		s.cfg.Logger.Warn(message, append(args, "error", why)...)
	}
}

// progressRefused counts and logs that an event which reports progress was refused.
func (s *Server) progressRefused(err error, j *Job) {
	s.refused.Add(1)
	s.logRefused("momserver: progress is not published", err, "job", j.jobID, "run", j.runID)
}

func (m *misuses) total() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}
