// Package flock locks files, where the system has advisory locks: they keep
// nobody from a file but those who ask.
package flock

import "errors"

// ErrTaken is a file that somebody else has locked.
var ErrTaken = errors.New("it is locked")
