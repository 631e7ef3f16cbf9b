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
	"mom.internal/cmd/momclient/internal/screen"
	"mom.internal/cmd/momclient/internal/web"
	"mom.internal/momclient"
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
	opts, err := c.options(getenv)
	if err != nil {
		return nil, err
	}
	cursor, err := cursorfile.Open(c.cursor)
	if err != nil {
		return nil, fmt.Errorf("-cursor: %w", err)
	}
	c.badTLS = func(err error) {
		fmt.Fprintf(stderr, "momclient: cannot use the changed certificate files; the earlier ones remain in use: %s\n", clean.Text(err.Error()))
	}
	opts.Cursor = cursor.Cursor()
	m := &monitor{c: c, Opts: opts, cursor: cursor, stderr: stderr, log: stderr, out: output.New(c.output, stdout)}
	if m.recording, err = c.openRecording(cursor.Cursor(), m.note); err != nil {
		cursor.Close()
		return nil, err
	}
	if c.untilEnd || c.records() {
		m.out = output.Filtered(c.eventFilter(), m.out)
	}
	if c.showsBoard() { // -job selects what is on the board; the other filters what is in its log
		m.boards = []*board.Board{board.New(c.addr, c.addr, jobs.Options{Log: c.eventFilter()})}
	}
	if c.output == "watch" {
		m.watch = screen.New(term, m.boards, len(c.filter.Jobs)+len(c.filter.Names) > 0, getenv)
		m.out = silentPrinter{}
		m.Opts.OnPanic = m.watch.Crash
	}
	return m, nil
}

// monitor is one run of the command.
type monitor struct {
	c         *config
	Opts      momclient.Options // exported, so that its token is left out when a monitor is printed
	cursor    *cursorfile.File
	stderr    io.Writer
	out       output.Printer
	done      *completion.Completion // nil without -exit-when-done
	boards    []*board.Board         // one for each server; none without -o watch and -http
	recording *recording             // nil without -history, -notify and -http
	watch     *screen.Watcher        // nil without -o watch
	page      *web.Server            // nil without -http
	log       io.Writer              // stderr, or nothing while the screen is drawn on it
	missed    uint64                 // events missed since the last one shown
}

// Reasons for which the monitor itself ends the stream.
var (
	errReaderGone  = errors.New("nobody reads stdout any more")
	errInterrupted = errors.New("interrupted before the watched runs ended")
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
	client := momclient.New(m.c.addr, m.Opts)
	defer client.Close()
	if m.c.untilEnd {
		m.done = completion.New(&m.c.filter, m.c.wait, client.Cursor, func() { cancel(nil) })
		defer m.done.Stop()
	}
	if m.watch != nil {
		m.log = quietStderr(m.stderr)
		m.watch.Start(ctx, func(err error) {
			if !errors.Is(err, context.Canceled) {
				err = &writeError{err}
			}
			cancel(err)
		})
		defer m.watch.Stop()
	}
	reporter := &statusReporter{stderr: m.log, boards: m.boards, done: m.done, also: m.recording.status}
	reporter.unknown = completion.NewUnknownJobCheck(ctx, &m.c.filter, client.Jobs, reporter.say)
	defer reporter.unknown.Stop()
	client.OnConnection(reporter.status)
	m.recording.start(client, m.cursor)
	where := client.Cursor
	if m.recording != nil {
		where = m.recording.recorder.Cursor
	}
	keep := m.cursor.Follow(where)
	err = m.show(ctx, client)
	client.Close()
	grace := graceAtEnd
	if signals.Err() != nil || m.done == nil && errors.Is(err, context.Canceled) { // the user waits
		grace = graceAfterSignal
	}
	if rerr := m.recording.stop(err, grace); rerr != nil {
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

// show prints events until the stream ends, and returns the reason. It returns
// nil if m.done has its verdict.
func (m *monitor) show(ctx context.Context, client *momclient.Client) error {
	for e, err := range client.Events(ctx) {
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx) // err adds nothing to the cause
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

// shown returns e as the monitor shows it, or nil if -job does not name its
// job. The next event that is shown then has the count of the gap before e. All names
// are escaped, so what is shown, stored and sent has one form of them.
func (m *monitor) shown(e wire.Event) *wire.Event {
	m.missed += e.Missed
	if jobs := m.c.jobs(); !jobs.Takes(&e) {
		return nil
	}
	e.Missed, m.missed = m.missed, 0
	e = e.Escaped()
	return &e
}

// showOne prints an event, and then saves its cursor. The cursor of an event of
// a snapshot is not saved, because the rest of the snapshot follows.
func (m *monitor) showOne(e *wire.Event) error {
	for _, b := range m.boards {
		b.Event(e)
	}
	if m.page != nil {
		if err := m.page.Event(e); err != nil {
			return err
		}
	}
	m.recording.event(e)
	if err := m.out.Print(e); err != nil {
		m.cursor.Freeze(err)
		return err
	}
	if m.recording != nil {
		return m.recording.recorder.Shown(e)
	}
	return m.cursor.Save(e.Cursor())
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

func (silentPrinter) Print(*wire.Event) error { return nil }

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

// shownJobs returns the filter of -job, for names as the monitor shows them.
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
