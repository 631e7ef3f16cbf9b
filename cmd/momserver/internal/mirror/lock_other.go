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
// process ends. It locks nothing on a system or a file system without locks,
// where only the operator can keep other runs off the destination, nor if no
// file can be created in the directory, where no run can work.
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
