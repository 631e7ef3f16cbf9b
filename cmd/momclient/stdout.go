package main

import (
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
)

// stdoutClosed calls gone when nobody reads w any more. So the program ends at
// once, and not at its next write, which may be hours away. This works for a
// pipe on Linux. Elsewhere the next write fails.
//
// stdoutClosed opens the pipe again, because it needs a descriptor that does
// not block, and processes that share the old descriptor would share that mode.
// The kernel reports the closed read end as something to read on the write end.
func stdoutClosed(w io.Writer, gone func()) (stop func()) {
	stop = func() {}
	f, ok := w.(*os.File)
	if !ok || f != os.Stdout {
		return stop
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return stop
	}
	again, err := os.OpenFile("/proc/self/fd/1", os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return stop
	}
	conn, err := again.SyscallConn()
	if err != nil {
		again.Close()
		return stop
	}
	go func() {
		asked := false
		err := conn.Read(func(uintptr) bool { // the second call follows the wait
			defer func() { asked = true }()
			return asked
		})
		if err == nil {
			gone()
		}
	}()
	return func() { again.Close() }
}

// readerGone reports whether a write failed because nobody reads any more.
func readerGone(err error) bool {
	if runtime.GOOS == "windows" {
		const brokenPipe, noData = syscall.Errno(109), syscall.Errno(232)
		return errors.Is(err, brokenPipe) || errors.Is(err, noData)
	}
	return errors.Is(err, syscall.EPIPE)
}
