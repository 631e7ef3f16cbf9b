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

// add counts a misuse, and reports whether it is the first of its kind.
func (m *misuses) add(kind misuse) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	if first = !m.logged[kind]; first {
		if m.logged == nil {
			m.logged = make(map[misuse]bool)
		}
		m.logged[kind] = true
	}
	return first
}

// logRefused logs that a run or a package is not monitored.
func (s *Server) logRefused(message string, why error, args ...any) {
	if s != nil {
		s.cfg.Logger.Warn(message, append(args, "error", why)...)
	}
}

func (m *misuses) total() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}
