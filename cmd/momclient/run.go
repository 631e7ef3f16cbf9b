package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"mom/momclient"
	"mom/wire"
)

// run is the command, but for the process around it. It returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		writeHelp(stdout)
		return exitOK
	}
	var opts momclient.Options
	if err == nil {
		opts, err = c.options(getenv)
	}
	var place *cursorFile
	if err == nil {
		place, err = openCursorFile(c.cursor)
	}
	if err != nil {
		fmt.Fprintf(stderr, "momclient: %v\n", err)
		var u usageError
		if errors.As(err, &u) {
			fmt.Fprintln(stderr, "momclient -h shows the flags.")
		}
		return exitUsage
	}
	opts.Cursor = place.cursor
	m := &monitor{c: c, opts: opts, place: place, stderr: stderr, out: newPrinter(c.output, stdout)}
	if c.untilEnd {
		m.end = newEnding(&c.filter)
		m.out = &sieve{filter: c.filter, to: m.out}
	}
	return m.run(ctx, stdout)
}

// monitor is one run of the command.
type monitor struct {
	c      *config
	opts   momclient.Options
	place  *cursorFile
	stderr io.Writer
	out    printer
	end    *ending // nil without -exit-when-done
}

// Why the stream was ended from within.
var (
	errReaderGone = errors.New("nobody reads stdout any more")
	errQuiet      = errors.New("the watched runs have ended")
	errAway       = errors.New("the server was away for too long; -wait says how long that may be")
	errRunLost    = errors.New("a watched run ended unseen, or with a server that was restarted")
)

func (m *monitor) run(ctx context.Context, stdout io.Writer) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer watchReader(stdout, func() { cancel(errReaderGone) })()
	client := momclient.New(m.c.addr, m.opts)
	defer client.Close()
	link := &link{stderr: m.stderr}
	if m.end != nil {
		link.watch = newPatience(m.c.wait, m.end, cancel)
		defer link.watch.stop()
	}
	client.OnConnection(link.status)
	keep := m.place.follow(client.Cursor)
	err := m.show(ctx, client, link.watch)
	if kerr := keep(); kerr != nil {
		err = &writeError{kerr}
	}
	return m.exit(err)
}

// writeError is a failure of stdout or of the cursor file.
type writeError struct{ error }

// show prints events until the stream ends, and returns why; nil when the
// watched runs have ended.
func (m *monitor) show(ctx context.Context, client *momclient.Client, watch *patience) error {
	for e, err := range client.Events(ctx) {
		if err != nil {
			return err
		}
		if err := m.showOne(&e); err != nil {
			return &writeError{err}
		}
		if m.end == nil {
			continue
		}
		if m.end.see(&e) {
			return nil
		}
		watch.seen()
	}
	return nil
}

// showOne prints an event, and then notes the place. An event of a snapshot is
// no place: the rest of the snapshot is still to come.
func (m *monitor) showOne(e *wire.Event) error {
	if err := m.out.print(e); err != nil {
		m.place.freeze(err)
		return err
	}
	if e.Snapshot {
		return nil
	}
	return m.place.save(e.Cursor())
}

// exit says why the stream ended, where it is worth saying, and returns the
// exit code.
func (m *monitor) exit(err error) int {
	var w *writeError
	switch {
	case errors.As(err, &w):
		if readerGone(w.error) {
			return exitOK
		}
		return m.say(exitFailed, w.error)
	case errors.Is(err, errReaderGone):
		return exitOK
	case err == nil, errors.Is(err, errQuiet):
		return m.verdict()
	case errors.Is(err, context.Canceled):
		if m.end != nil {
			return m.say(exitLost, errors.New("interrupted before the watched runs ended"))
		}
		return exitOK
	}
	return m.say(exitLost, err)
}

// verdict is the exit code of -exit-when-done.
func (m *monitor) verdict() int {
	switch {
	case m.end == nil:
		return exitOK
	case m.end.lost > 0:
		return m.say(exitLost, errRunLost)
	case m.end.failed > 0:
		return exitFailed
	}
	return exitOK
}

func (m *monitor) say(code int, err error) int {
	fmt.Fprintf(m.stderr, "momclient: %v\n", err)
	return code
}

// serverFilter is what the server is to leave out. With -exit-when-done the
// ends of runs are needed whatever -state says, so only jobs are filtered
// there, and the rest here.
func (c *config) serverFilter() wire.Filter {
	if c.untilEnd {
		return wire.Filter{Jobs: c.filter.Jobs, Names: c.filter.Names}
	}
	return c.filter
}
