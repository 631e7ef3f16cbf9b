package momclient

import (
	"errors"
	"syscall"
)

// lacks are the errors of a system that has no more descriptors.
var lacks = []error{syscall.EMFILE}

// inUse is no error of Plan 9, whose network speaks in words.
var inUse = errors.New("address in use")
