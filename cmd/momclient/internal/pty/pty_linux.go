// Package pty opens pseudo-terminals, for tests and pictures of the monitor.
package pty

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// Open returns both ends of a new terminal: what is written on slave is read
// from master, and the other way round.
func Open() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	var number, unlock int32
	if err = Ioctl(master, syscall.TIOCGPTN, unsafe.Pointer(&number)); err == nil {
		err = Ioctl(master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// Resize sets the size that the terminal tells.
func Resize(master *os.File, columns, rows int) error {
	size := [4]uint16{uint16(rows), uint16(columns)}
	return Ioctl(master, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// Ioctl makes a request of a terminal; arg points to what it is about. It
// leaves f such that Close ends a Read, which [os.File.Fd] would not.
func Ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	err = conn.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}
