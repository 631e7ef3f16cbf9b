package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"mom.internal/cmd/internal/version"
	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/completion"
	"mom.internal/cmd/momclient/internal/cursorfile"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/screen"
	"mom.internal/cmd/momclient/internal/web"
	"mom.internal/momclient"
	"mom.internal/wire"
)

// run is the command, but for the process around it. It returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	m, err := newMonitor(args, getenv, stdout, stderr)
	var usage usageError
	switch {
	case errors.Is(err, flag.ErrHelp):
		writeHelp(stdout)
		return exitOK
	case errors.Is(err, errVersion):
		version.Write(stdout, "momclient")
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "momclient: %v\n", err)
		if errors.As(err, &usage) {
			fmt.Fprintln(stderr, "momclient -h shows the flags.")
		}
		return exitUsage
	}
	return m.run(ctx, stdout)
}

// newMonitor reads the command line and the files that it names. The error is
// flag.ErrHelp, errVersion, a usageError or a fileError.
func newMonitor(args []string, getenv func(string) string, stdout, stderr io.Writer) (*monitor, error) {
	c, err := parseFlags(args)
	if err != nil {
		return nil, err
	}
	term := openTerminal(stdout)
	if err := c.chooseOutput(term, getenv("TERM")); err != nil {
		return nil, err
	}
	opts, err := c.options(getenv)
	if err != nil {
		return nil, err
	}
	cursor, err := cursorfile.Open(c.cursor)
	if err != nil {
		return nil, fmt.Errorf("-cursor: %w", err)
	}
	c.badTLS = func(err error) {
		fmt.Fprintf(stderr, "momclient: the certificates as they were stay in force: %v\n", err)
	}
	opts.Cursor = cursor.Cursor()
	m := &monitor{c: c, opts: opts, cursor: cursor, stderr: stderr, out: output.New(c.output, stdout)}
	if c.untilEnd || c.http != "" {
		m.out = output.Filtered(c.filter, m.out)
	}
	if c.showsBoard() { // of the filters -job says what is on it, -state and -severity what its log takes
		m.board = board.New(board.Options{Server: c.addr, Log: wire.Filter{States: c.filter.States, Severity: c.filter.Severity}})
	}
	if c.output == "watch" {
		m.watch = screen.New(term, m.board, len(c.filter.Jobs)+len(c.filter.Names) > 0, getenv)
		m.out = silentPrinter{}
		m.opts.OnPanic = m.watch.Crash
	}
	return m, nil
}

// monitor is one run of the command.
type monitor struct {
	c      *config
	opts   momclient.Options
	cursor *cursorfile.File
	stderr io.Writer
	out    output.Printer
	done   *completion.Completion // nil without -exit-when-done
	board  *board.Board           // nil where nothing shows one
	watch  *screen.Watcher        // nil without -o watch
	page   *web.Server            // nil without -http
	missed uint64                 // events missed since the last one shown
}

// Why the stream was ended from within.
var (
	errReaderGone  = errors.New("nobody reads stdout any more")
	errInterrupted = errors.New("interrupted before the watched runs ended")
)

func (m *monitor) run(ctx context.Context, stdout io.Writer) int {
	page, server, err := m.c.startPage(m.board, m.stderr)
	if err != nil {
		return m.say(exitFailed, err)
	}
	m.page = page
	defer server.Stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer stdoutClosed(stdout, func() { cancel(errReaderGone) })()
	client := momclient.New(m.c.addr, m.opts)
	defer client.Close()
	if m.c.untilEnd {
		m.done = completion.New(&m.c.filter, m.c.wait, client.Cursor, func() { cancel(nil) })
		defer m.done.Stop()
	}
	reporter := &statusReporter{stderr: m.stderr, board: m.board, done: m.done}
	if m.watch != nil {
		reporter.stderr = quietStderr(m.stderr)
		m.watch.Start(ctx, func(err error) {
			if !errors.Is(err, context.Canceled) {
				err = &writeError{err}
			}
			cancel(err)
		})
		defer m.watch.Stop()
	}
	reporter.unknown = completion.NewUnknownJobCheck(ctx, &m.c.filter, client.Jobs, reporter.say)
	defer reporter.unknown.Stop()
	client.OnConnection(reporter.status)
	keep := m.cursor.Follow(client.Cursor)
	err = m.show(ctx, client)
	if kerr := keep(); kerr != nil {
		err = &writeError{kerr}
	}
	if m.watch != nil {
		m.watch.Stop()
		m.watch.Summarize(stdout)
	}
	return m.exit(err)
}

// writeError is a failure of stdout or of the cursor file.
type writeError struct{ error }

// show prints events until the stream ends, and returns why; nil when m.done has
// made its verdict.
func (m *monitor) show(ctx context.Context, client *momclient.Client) error {
	for e, err := range client.Events(ctx) {
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx) // which says all that is worth saying
		}
		if err != nil {
			return err
		}
		if !m.done.Showing() {
			return nil
		}
		if shown := m.shown(e); shown != nil {
			if err := m.showOne(shown); err != nil {
				return &writeError{err}
			}
		}
		if !m.done.Shown(&e) {
			return nil
		}
	}
	return nil
}

// shown returns e as it is shown, nil where it is of a job that -job does not
// name. The count of a gap that opens with such a one goes to the next one shown.
func (m *monitor) shown(e wire.Event) *wire.Event {
	m.missed += e.Missed
	if jobs := m.c.jobs(); !jobs.Takes(&e) {
		return nil
	}
	e.Missed, m.missed = m.missed, 0
	return &e
}

// showOne prints an event, and then notes the place. An event of a snapshot is
// no place: the rest of the snapshot is still to come.
func (m *monitor) showOne(e *wire.Event) error {
	if m.board != nil {
		m.board.Event(e)
	}
	if m.page != nil {
		if err := m.page.Event(e); err != nil {
			return err
		}
	}
	if err := m.out.Print(e); err != nil {
		m.cursor.Freeze(err)
		return err
	}
	if e.Snapshot {
		return nil
	}
	return m.cursor.Save(e.Cursor())
}

// exit says why the stream ended, where it is worth saying, and returns the
// exit code.
func (m *monitor) exit(err error) int {
	var w *writeError
	if errors.As(err, &w) {
		if !readerGone(w.error) {
			return m.say(exitFailed, w.error)
		}
		err = errReaderGone
	}
	interrupted := errors.Is(err, context.Canceled)
	if m.done == nil {
		if interrupted || errors.Is(err, errReaderGone) {
			return exitOK
		}
		return m.say(exitLost, withHint(err))
	}
	if interrupted {
		err = errInterrupted
	}
	switch v := m.done.Conclude(err); {
	case v.Err != nil:
		return m.say(exitLost, withHint(v.Err))
	case v.Failed:
		return exitFailed
	}
	return exitOK
}

func (m *monitor) say(code int, err error) int {
	fmt.Fprintf(m.stderr, "momclient: %s\n", output.Clean(err.Error()))
	return code
}

// silentPrinter is for -o watch, which shows events on the board alone. An event
// counts as shown if the board has it; the screen follows within a frame.
type silentPrinter struct{}

func (silentPrinter) Print(*wire.Event) error { return nil }

// showsBoard reports whether the jobs are shown, rather than events alone.
func (c *config) showsBoard() bool { return c.output == "watch" || c.http != "" }

// serverFilter is what the server is to leave out. For a board the ends of runs
// are needed whatever -state says, so only jobs are filtered there, and the rest
// here. With -exit-when-done nothing is: where a gap has taken the end of a
// watched run, only the events of others tell of it.
func (c *config) serverFilter() wire.Filter {
	switch {
	case c.untilEnd:
		return wire.Filter{}
	case c.showsBoard():
		return c.jobs()
	}
	return c.filter
}

// jobs is what -job says.
func (c *config) jobs() wire.Filter {
	return wire.Filter{Jobs: c.filter.Jobs, Names: c.filter.Names}
}
