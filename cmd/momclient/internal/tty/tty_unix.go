//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package tty

import (
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

type modes syscall.Termios

// Ioctl makes a request to a terminal. arg points to the value that the request
// reads or sets. After Ioctl, unlike after [os.File.Fd], Close still ends a
// Read of f.
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

func getModes(f *os.File) (*modes, error) {
	m := new(modes)
	return m, Ioctl(f, getTermios, unsafe.Pointer(m))
}

func setModes(f *os.File, m *modes) error { return Ioctl(f, setTermios, unsafe.Pointer(m)) }

// listening returns m changed so that single keys are read at once, without
// waiting and without an echo.
func (m *modes) listening() *modes {
	l := *m
	l.Lflag &^= syscall.ICANON | syscall.ECHO
	l.Cc[syscall.VMIN], l.Cc[syscall.VTIME] = 0, 0
	return &l
}

func isTerminal(f *os.File) bool {
	_, err := getModes(f)
	return err == nil
}

func size(f *os.File) (columns, rows int) {
	var ws struct{ rows, columns, width, height uint16 }
	if Ioctl(f, syscall.TIOCGWINSZ, unsafe.Pointer(&ws)) != nil {
		return 0, 0
	}
	return int(ws.columns), int(ws.rows)
}

// foreground also returns true for a terminal that does not control the
// program.
func foreground(f *os.File) bool {
	var group int32
	if Ioctl(f, syscall.TIOCGPGRP, unsafe.Pointer(&group)) != nil {
		return true
	}
	return int(group) == syscall.Getpgrp()
}

func readKeys(f *os.File, p []byte) (n int) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	if conn.Control(func(fd uintptr) { n, err = syscall.Read(int(fd), p) }) != nil || err != nil {
		return 0
	}
	return n
}

// Notify sends to resizes when the size of the terminal may have changed, to
// suspends when the user has pressed Ctrl-Z, and to crashes the signals that
// end the program with a trace of all goroutines. It does so until stop.
func Notify(resizes, suspends, crashes chan<- os.Signal) (stop func()) {
	signal.Notify(resizes, syscall.SIGWINCH)
	signal.Notify(suspends, syscall.SIGTSTP)
	signal.Notify(crashes, syscall.SIGQUIT, syscall.SIGABRT)
	return func() {
		for _, ch := range []chan<- os.Signal{resizes, suspends, crashes} {
			signal.Stop(ch)
		}
	}
}

// stopsWithin is longer than the kernel takes to stop the program.
const stopsWithin = time.Second

// Suspend stops the program, as Ctrl-Z would, and returns when it has been
// continued. It uses SIGSTOP, because Go never gives up its handler of SIGTSTP.
// If no shell could continue the program, Suspend returns at once, as the
// kernel would ignore SIGTSTP.
func Suspend() {
	if !hasShell() {
		return
	}
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
	select {
	case <-continued:
	case <-time.After(stopsWithin):
	}
}

// hasShell reports whether the parent is in the same session. A shell is, and a
// terminal emulator or sshd is not.
func hasShell() bool {
	mine, _, errno := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
	parents, _, errno2 := syscall.RawSyscall(syscall.SYS_GETSID, uintptr(syscall.Getppid()), 0, 0)
	return errno == 0 && errno2 == 0 && mine == parents
}

// Crash ends the program as the signal would.
func Crash(s os.Signal) {
	signal.Reset(s)
	syscall.Kill(syscall.Getpid(), s.(syscall.Signal))
	select {}
}
