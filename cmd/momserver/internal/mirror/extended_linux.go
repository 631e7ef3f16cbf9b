package mirror

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// hasExtended reports whether the file has extended attributes that a user has
// set, or an access control list.
func hasExtended(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var names [4096]byte
	var n uintptr
	raw.Control(func(fd uintptr) {
		n, _, _ = syscall.Syscall(syscall.SYS_FLISTXATTR, fd, uintptr(unsafe.Pointer(&names)), uintptr(len(names)))
	})
	if int(n) < 0 || int(n) > len(names) {
		return false
	}
	for _, name := range bytes.Split(names[:n], []byte{0}) {
		if strings.HasPrefix(string(name), "user.") || strings.HasPrefix(string(name), "system.posix_acl_") {
			return true
		}
	}
	return false
}
