//go:build linux && !386 && !arm && !mips && !mipsle

package mirror

import (
	"os"
	"syscall"
	"unsafe"
)

// setTime sets the modification time of an open file or directory. The standard
// library counts nanoseconds in 64 bits, which hold only the years 1678 to 2262.
// The system call takes the seconds and the nanoseconds separately.
func setTime(f *os.File, t stamp) error {
	times := [2]syscall.Timespec{{Sec: t.sec, Nsec: t.nsec}, {Sec: t.sec, Nsec: t.nsec}}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		// Without a path, the call is about the open file.
		_, _, errno = syscall.Syscall6(syscall.SYS_UTIMENSAT, fd, 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}
