//go:build unix && !solaris && !aix

package flock

import (
	"errors"
	"os"
	"syscall"
)

// Try locks f, which may be a directory, until it is closed or the process
// ends. It returns ErrTaken or nil. On a file system without locks it does
// nothing.
func Try(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrTaken
	}
	return nil
}
