package mirror

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
)

const (
	accessDelete      = 0x10000
	flagDeleteOnClose = 0x4000000
	sharingViolation  = syscall.Errno(32)
)

// handle is a file handle of Windows.
type handle syscall.Handle

func (h handle) Close() error { return syscall.CloseHandle(syscall.Handle(h)) }

// lockDir locks a directory by a file in it that no other process may open,
// until the result is closed or the process ends. If the file cannot be made,
// the run cannot mirror anything either, and reports that.
func lockDir(dir *os.Root) (io.Closer, error) {
	name, err := syscall.UTF16PtrFromString(filepath.Join(dir.Name(), lockName))
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE|accessDelete, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL|flagDeleteOnClose, 0)
	switch err {
	case nil:
		return handle(h), nil
	case sharingViolation:
		return nil, errTaken
	}
	return nil, err
}

// heldBy reports whether a run holds the lock of a directory. The file exists only
// as long as the lock.
func heldBy(dir *os.Root) (by string, held bool) {
	_, err := dir.Lstat(lockName)
	return "", err == nil
}
