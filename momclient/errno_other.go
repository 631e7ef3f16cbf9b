//go:build !plan9

package momclient

import "syscall"

// lacks are the errors of a system that has no more descriptors or memory.
var lacks = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// inUse is the error of listening on an address that is taken.
const inUse = syscall.EADDRINUSE
