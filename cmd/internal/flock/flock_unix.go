//go:build unix && !solaris && !aix

package flock

import (
	"errors"
	"os"
	"syscall"
)

// Try locks f, a directory too, until it is closed or the process ends. It
// returns ErrTaken, or nil: file systems without locks are taken as they are.
func Try(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrTaken
	}
	return nil
}
