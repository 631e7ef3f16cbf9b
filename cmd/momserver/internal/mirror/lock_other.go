//go:build !windows

package mirror

import (
	"errors"
	"fmt"
	"io"
	"os"

	"mom.internal/cmd/internal/flock"
)

// lockDir locks a directory, by a file in it, until the result is closed or the
// process ends. If the system or the file system has no locks, lockDir locks
// nothing, and only the operator can keep other runs off the destination. It locks
// nothing either if no file can be created in the directory, because no run can
// work there.
func lockDir(dir *os.Root) (io.Closer, error) {
	lock, err := flock.Take(dir, lockName)
	var held *flock.Held
	switch {
	case errors.As(err, &held):
		return nil, fmt.Errorf("%w%s", errTaken, held.By())
	case errors.Is(err, flock.ErrUnwritable):
		return io.NopCloser(nil), nil
	case err != nil:
		return nil, err
	}
	return lock, nil
}

// heldBy reports whether a run holds the lock of a directory, and returns the
// holder, as in " (momserver, process 7)".
func heldBy(dir *os.Root) (by string, held bool) {
	var h *flock.Held
	if errors.As(flock.Peek(dir, lockName), &h) {
		return h.By(), true
	}
	return "", false
}
