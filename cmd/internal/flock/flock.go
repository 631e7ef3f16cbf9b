// Package flock locks files, if the system has advisory locks. Such a lock
// stops only programs that ask for it. Packages cursorfile and mirror use it.
package flock

import "errors"

// ErrTaken reports that another file descriptor has the lock.
var ErrTaken = errors.New("it is locked")
