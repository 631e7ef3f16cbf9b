package momserver

import (
	"errors"

	"mom.internal/wire"
)

var errNotServing = errors.New("momserver: not serving yet: Serve has not been called")

// Health returns nil while the server serves: from the first Serve to Shutdown
// or Close. Otherwise it says why not: an error that is [wire.Draining]
// during Shutdown, [ErrServerClosed] after, and another before. It waits
// neither for publishers nor for subscribers.
func (s *Server) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case idle:
		return errNotServing
	case serving:
		return nil
	case draining:
		return wire.Errorf(wire.Draining, "momserver: the server is shutting down")
	}
	return ErrServerClosed
}
