package main

import (
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
)

// stdoutClosed calls gone when nobody reads w any more, so that the program
// ends at once and not at its next write, which a quiet server may be hours
// from. It works for a pipe on Linux; elsewhere the next write tells.
//
// The pipe is opened anew, because waiting needs a descriptor that does not
// block, and that flag would be shared with whoever else has the old one. The
// kernel reports the error on the write end as something to read.
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
		err := conn.Read(func(uintptr) bool { // the second call comes after the wait
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
