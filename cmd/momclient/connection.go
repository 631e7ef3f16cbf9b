package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/completion"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/recorder"
	"mom.internal/momclient"
	"mom.internal/wire"
)

// connection is the connection of a monitor to one server. Each connection has its
// own state, cursor and epoch.
type connection struct {
	m      *monitor
	n      int // index of the server
	server *server
	label  string            // the name of the server; "" for the only server, which is named nowhere
	Opts   momclient.Options // exported, so that its token is left out when a connection is printed
	board  *board.Board      // nil without -o watch and -http
	client *momclient.Client
	log    io.Writer // as m.log was when connect was called; a status may come after m.log has changed

	recorder *recorder.Server   // nil without -history, -notify and -http
	done     *completion.Server // nil without -exit-when-done
	reporter *statusReporter
	missed   uint64                      // events missed since the last one shown; m.showing guards it
	stopped  atomic.Pointer[wire.Cursor] // the cursor before the first event that was not shown; nil while events are shown
}

// connect makes the client. It dials when watch is called.
func (c *connection) connect() {
	c.client, c.log = momclient.New(c.server.addr, c.Opts), c.m.log
	c.done = c.m.done.Add(c.label, c.position)
	c.recorder = c.m.recording.add(c)
	c.reporter = &statusReporter{
		say: c.say, board: c.board, recorder: c.recorder, done: c.done, unknown: c.m.unknown.Add(c.client.Jobs),
	}
	c.client.OnConnection(c.reporter.status)
}

// position returns the cursor after the events that have been shown.
func (c *connection) position() wire.Cursor {
	if at := c.stopped.Load(); at != nil {
		return *at // the client has moved past an event that was not shown
	}
	return c.client.Cursor()
}

// cursor returns the cursor to save. It is zero while a change by an earlier event is
// not on the disk.
func (c *connection) cursor() wire.Cursor {
	if c.recorder != nil {
		return c.recorder.Cursor()
	}
	return c.position()
}

// watch shows the events of the server until their stream ends, and returns the
// reason. It returns nil if there is a verdict; see package completion.
func (c *connection) watch(ctx context.Context) error {
	defer c.client.Close()
	for e, err := range c.client.Events(ctx) {
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx) // err adds nothing to the cause
		}
		if err != nil {
			return c.refused(err)
		}
		if goOn, err := c.show(ctx, &e); err != nil || !goOn {
			return err
		}
	}
	return nil
}

// show shows an event, one of all servers at a time. It reports whether the stream
// goes on.
func (c *connection) show(ctx context.Context, e *wire.Event) (goOn bool, err error) {
	done := false
	defer func() {
		if !done { // the client moves past the event all the same
			at := c.client.Cursor()
			c.stopped.Store(&at)
		}
	}()
	select {
	case c.m.showing <- struct{}{}:
		defer func() { <-c.m.showing }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if !c.m.done.Showing() {
		return false, nil
	}
	if shown := c.shown(e); shown != nil {
		if err := c.m.show(c, shown); err != nil {
			return false, &writeError{err}
		}
	}
	done = true
	return c.done.Shown(e), nil
}

// refused records that the server has ended the stream for good, and why. The streams
// of the other servers go on.
func (c *connection) refused(why error) error {
	var refused *wire.Error
	if c.recorder != nil && errors.As(why, &refused) { // the client may report this status too late
		c.recorder.Status(momclient.ConnectionStatus{Kind: momclient.Refused, Err: withHint(why), Final: true})
	}
	if c.label != "" { // otherwise the monitor ends, and prints the reason itself
		c.say(withHint(why).Error())
	}
	c.done.Ended(why)
	return why
}

// shown returns e as the monitor shows it, or nil if -job does not name its
// job. The next event that is shown then has the count of the gap before e. All names
// are escaped, so that they are shown, stored and sent in one form. m.showing is held.
func (c *connection) shown(e *wire.Event) *wire.Event {
	c.missed += e.Missed
	if jobs := c.m.c.jobs(); !jobs.Takes(e) {
		return nil
	}
	shown := e.Escaped()
	shown.Missed, c.missed = c.missed, 0
	return &shown
}

// say prints a line about the server on stderr.
func (c *connection) say(text string) {
	if c.label != "" {
		text = c.label + ": " + text
	}
	fmt.Fprintf(c.log, "momclient: %s\n", output.Clean(text))
}
