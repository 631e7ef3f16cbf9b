package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mom.internal/cmd/internal/clean"
	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/completion"
	"mom.internal/cmd/momclient/internal/cursorfile"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/screen"
	"mom.internal/cmd/momclient/internal/web"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// run is the command without its process. It returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	m, err := newMonitor(args, getenv, stdout, stderr)
	if manual().Answer(stdout, err) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "momclient: %s\n", clean.Text(err.Error()))
		if errors.As(err, new(usageError)) {
			fmt.Fprintln(stderr, "momclient -h shows the flags.")
		}
		return exitUsage
	}
	return m.run(ctx, stdout)
}

// newMonitor reads the command line and the files that the flags name. The
// error is one of parseFlags, or the error of a file.
func newMonitor(args []string, getenv func(string) string, stdout, stderr io.Writer) (*monitor, error) {
	c, err := parseFlags(args)
	if err != nil {
		return nil, err
	}
	if c.output == "runs" {
		return &monitor{c: c, stderr: stderr}, nil
	}
	term := openTerminal(stdout)
	if err := c.chooseOutput(term, getenv("TERM")); err != nil {
		return nil, err
	}
	c.badTLS = func(err error) {
		fmt.Fprintf(stderr, "momclient: cannot use the changed certificate files; the earlier ones remain in use: %s\n", clean.Text(err.Error()))
	}
	m := &monitor{c: c, stderr: stderr, log: stderr, out: output.New(c.output, stdout), showing: make(chan struct{}, 1)}
	var names []string
	for n := range c.servers {
		conn := &connection{m: m, n: n, server: &c.servers[n]}
		if conn.Opts, err = c.options(conn.server, getenv); err != nil {
			return nil, err
		}
		if len(c.servers) > 1 {
			conn.label = conn.server.name
		}
		m.connections = append(m.connections, conn)
		names = append(names, conn.server.name)
	}
	if m.cursor, err = cursorfile.Open(c.cursor, names, c.serverName); err != nil {
		return nil, fmt.Errorf("-cursor: %w", err)
	}
	if m.recording, err = c.openRecording(m.cursor, m.note); err != nil {
		m.cursor.Close()
		return nil, err
	}
	if c.untilEnd || c.records() {
		m.out = output.Filtered(c.eventFilter(), m.out)
	}
	for n, conn := range m.connections {
		if conn.Opts.Cursor = m.cursor.Cursor(n); conn.Opts.Cursor.IsZero() {
			conn.Opts.Cursor = m.recording.at(conn.server.name)
		}
		if conn.Opts.Cursor.IsZero() && m.cursor.Absent(n) && c.start() == wire.FromNow { // perhaps it was renamed
			m.note(fmt.Sprintf("%s has no cursor of %s, which begins at its next event", c.cursor, conn.server.name))
		}
		if c.showsBoard() { // -job selects the jobs on the board; the other filters select the events in its log
			conn.board = board.New(conn.server.name, conn.server.addr, jobs.Options{Log: c.eventFilter(), MaxJobs: runlog.MaxJobs})
			m.boards = append(m.boards, conn.board)
		}
	}
	if c.output == "watch" {
		m.watch = screen.New(screen.Options{
			Terminal: term, Getenv: getenv, Boards: m.boards, Jobs: c.jobs(), Runs: m.recording.runs, Receivers: m.recording.notifier.Status,
		})
		m.out = silentPrinter{}
		for _, conn := range m.connections {
			conn.Opts.OnPanic = m.watch.Crash
		}
	}
	return m, nil
}

// monitor is one run of the command.
type monitor struct {
	c           *config
	connections []*connection // one for each server
	cursor      *cursorfile.File
	stderr      io.Writer
	showing     chan struct{} // a lock, held while an event is shown; it has an element while it is held
	out         output.Printer
	done        *completion.Completion      // nil without -exit-when-done
	unknown     *completion.UnknownJobCheck // nil without -job
	boards      []*board.Board              // one for each server; none without -o watch and -http
	recording   *recording                  // nil without -history, -notify and a board
	watch       *screen.Watcher             // nil without -o watch
	page        *web.Server                 // nil without -http
	log         io.Writer                   // stderr, or nothing while the screen is drawn on it
}

// Reasons for which the monitor itself ends the stream.
var (
	errReaderGone  = errors.New("nobody reads stdout any more")
	errInterrupted = errors.New("interrupted before the watched runs ended")
	errAllRefused  = errors.New("no server is left")
)

func (m *monitor) run(ctx context.Context, stdout io.Writer) int {
	if m.c.output == "runs" {
		return m.exitRuns(m.c.printRuns(stdout))
	}
	defer m.cursor.Close()
	defer m.recording.close()
	page, server, err := m.c.startPage(m.boards, m.recording, m.stderr)
	if err != nil {
		return m.say(exitFailed, err)
	}
	m.page = page
	defer server.Stop()
	signals := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer stdoutClosed(stdout, func() { cancel(errReaderGone) })()
	if m.c.untilEnd {
		m.done = completion.New(&m.c.filter, m.c.wait, func() { cancel(nil) })
		defer m.done.Stop()
	}
	if m.watch != nil {
		m.log = quietStderr(m.stderr)
		if m.page != nil {
			m.watch.Page(server.URL())
		}
		m.watch.Start(ctx, func(err error) {
			if !errors.Is(err, context.Canceled) {
				err = &writeError{err}
			}
			cancel(err)
		})
		defer m.watch.Stop()
	}
	m.unknown = completion.NewUnknownJobCheck(ctx, &m.c.filter, func(text string) {
		m.note(text)
		if m.watch != nil {
			m.watch.Notice(text)
		}
	})
	for _, c := range m.connections {
		c.connect()
	}
	m.recording.start()
	keep := m.cursor.Follow(func(n int) wire.Cursor { return m.connections[n].cursor() })
	err = m.watchAll(ctx, cancel)
	m.unknown.Stop()
	grace := graceAtEnd
	if signals.Err() != nil || m.done == nil && errors.Is(err, context.Canceled) { // the user waits
		grace = graceAfterSignal
	}
	if rerr := m.recording.stop(grace); rerr != nil {
		err = &writeError{rerr}
	}
	if kerr := keep(); kerr != nil {
		err = &writeError{kerr}
	}
	if m.watch != nil {
		m.watch.Stop()
		m.watch.Summarize(stdout)
		m.log = m.stderr
	}
	for _, line := range m.recording.left() {
		m.note(line)
	}
	return m.exit(err)
}

// writeError is an error of stdout, of the terminal or of the cursor file.
type writeError struct{ error }

// watchAll shows the events of all servers until ctx ends, an event cannot be shown, or
// each server has ended its stream for good. It returns the reason.
func (m *monitor) watchAll(ctx context.Context, cancel context.CancelCauseFunc) error {
	ends := make(chan error, len(m.connections))
	for _, c := range m.connections {
		go func() { ends <- c.watch(ctx) }()
	}
	var last error
	for range m.connections {
		last = <-ends
		var w *writeError
		if errors.As(last, &w) {
			cancel(last)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(m.connections) > 1 {
		return errAllRefused // each of them was reported
	}
	return last
}

// show prints an event, and then saves its cursor. The cursor of an event of a
// snapshot is not saved, because the rest of the snapshot follows. showing is held.
func (m *monitor) show(c *connection, e *wire.Event) error {
	if c.board != nil {
		c.board.Event(e)
	}
	if m.page != nil {
		if err := m.page.Event(c.server.name, e); err != nil {
			return err
		}
	}
	if c.recorder != nil {
		c.recorder.Event(e)
	}
	if err := m.out.Print(c.label, e); err != nil {
		m.cursor.Freeze(err)
		return err
	}
	if c.recorder != nil {
		return c.recorder.Shown(e)
	}
	return m.cursor.Save(c.n, e.Cursor())
}

// exit prints why the stream ended, if the user does not know it, and returns
// the exit code.
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

// note prints a line about the history or the messages.
func (m *monitor) note(text string) { fmt.Fprintf(m.log, "momclient: %s\n", output.Clean(text)) }

// exitRuns returns the exit code of -o runs.
func (m *monitor) exitRuns(err error) int {
	var w *writeError
	switch {
	case err == nil, errors.As(err, &w) && readerGone(w.error):
		return exitOK
	case w != nil:
		return m.say(exitFailed, err)
	}
	return m.say(exitUsage, err)
}

func (m *monitor) say(code int, err error) int {
	fmt.Fprintf(m.stderr, "momclient: %s\n", output.Clean(err.Error()))
	return code
}

// silentPrinter is for -o watch, which shows events on the board alone. An event
// counts as shown if the board has it; the screen follows within a frame.
type silentPrinter struct{}

func (silentPrinter) Print(string, *wire.Event) error { return nil }

// showsBoard reports whether the monitor has a board of all jobs.
func (c *config) showsBoard() bool { return c.output == "watch" || c.http != "" }

// serverFilter returns the filter of the subscription. A board and the history need
// the ends of all runs, so the server filters only jobs, and the monitor applies the
// other filters. With -exit-when-done the server filters nothing: if a gap has
// the end of a watched run, only the events of other jobs reveal the gap.
func (c *config) serverFilter() wire.Filter {
	switch {
	case c.untilEnd:
		return wire.Filter{}
	case c.showsBoard(), c.records():
		return c.jobs()
	}
	return c.filter
}

// jobs returns the filter of -job, for events as the server sends them.
func (c *config) jobs() wire.Filter {
	return wire.Filter{Jobs: c.filter.Jobs, Names: c.filter.Names}
}

// shownJobs returns the filter of -job, for events with escaped names.
func (c *config) shownJobs() wire.Filter {
	f := c.jobs()
	f.Names = nil
	for _, name := range c.filter.Names {
		f.Names = append(f.Names, wire.EscapeName(name))
	}
	return f
}

// eventFilter returns the filter of the flags other than -job.
func (c *config) eventFilter() wire.Filter {
	f := c.filter
	f.Jobs, f.Names = nil, nil
	return f
}
