package momclient

import (
	"errors"
	"syscall"
)

// lacks are the errors of a system that has no more descriptors.
var lacks = []error{syscall.EMFILE}

// inUse matches no error of Plan 9, whose network reports errors as text.
var inUse = errors.New("address in use")
