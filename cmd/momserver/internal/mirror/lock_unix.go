//go:build unix && !solaris && !aix

package mirror

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lockDir locks a directory until the result is closed or the process ends.
// File systems without locks are taken as they are.
func lockDir(dir *os.Root) (io.Closer, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, errTaken
	}
	return f, nil
}
