//go:build !plan9

package momclient

import "syscall"

// errResources are the errors of a system that has no more descriptors or memory.
var errResources = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// errAddrInUse is the error of listening on an address that is taken.
const errAddrInUse = syscall.EADDRINUSE
