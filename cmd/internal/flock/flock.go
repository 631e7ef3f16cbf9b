// Package flock locks, if the system has advisory locks. Such a lock stops only
// programs that ask for it. A lock is held on a file of its own that only its
// owner can open, so that no other user of the machine can hold it. Packages
// cursorfile, mirror and runlog use it.
package flock

import (
	"errors"
	"os"
)

// Held is the error if somebody else has the lock.
type Held struct {
	Who string // the command, the process, and since when; "" if unknown
}

func (h *Held) Error() string {
	if h.Who == "" {
		return "it is locked"
	}
	return "it is locked by " + h.Who
}

// By returns the holder in parentheses after a space, or "" if it is unknown.
func (h *Held) By() string {
	if h.Who == "" {
		return ""
	}
	return " (" + h.Who + ")"
}

// ErrUnwritable reports that there is no lock because no file can be created in
// the directory.
var ErrUnwritable = errors.New("no lock file can be created")

// Lock is a lock that is held. The end of the process releases it too.
type Lock struct {
	dir  *os.Root
	name string
	file *os.File // nil on a system without locks
}
