package momclient

import (
	"errors"
	"syscall"
)

// errResources are the errors of a system that has no more descriptors.
var errResources = []error{syscall.EMFILE}

// errAddrInUse matches no error of Plan 9, whose network reports errors as text.
var errAddrInUse = errors.New("address in use")
