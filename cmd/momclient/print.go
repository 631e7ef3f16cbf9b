package main

import (
	"errors"
	"io"
	"runtime"
	"syscall"

	"mom.internal/wire"
)

// printer shows events, in order. When print has returned nil the event is
// with the operating system: nothing waits in a buffer of the program.
type printer interface {
	print(e *wire.Event) error
}

// newPrinter returns the printer of a -o format that checkOutput lets pass.
func newPrinter(format string, w io.Writer) printer {
	switch format {
	case "json":
		return jsonPrinter{w}
	case "cloudevents":
		return cloudPrinter{w}
	case "watch":
		return silentPrinter{}
	}
	return newTextPrinter(w)
}

// silentPrinter is for events that are shown as a board alone. Such a one
// counts as shown when the board has it; the screen follows within a frame.
type silentPrinter struct{}

func (silentPrinter) print(*wire.Event) error { return nil }

// sieve prints the events that a filter takes. The count of a gap that opens
// with an event left out goes to the next one printed.
type sieve struct {
	filter wire.Filter
	to     printer
	missed uint64
}

func (s *sieve) print(e *wire.Event) error {
	if !s.filter.Takes(e) {
		s.missed += e.Missed
		return nil
	}
	shown := *e
	shown.Missed += s.missed
	s.missed = 0
	return s.to.print(&shown)
}

// readerGone reports whether a write failed because nobody reads any more.
func readerGone(err error) bool {
	if runtime.GOOS == "windows" {
		const brokenPipe, noData = syscall.Errno(109), syscall.Errno(232)
		return errors.Is(err, brokenPipe) || errors.Is(err, noData)
	}
	return errors.Is(err, syscall.EPIPE)
}
