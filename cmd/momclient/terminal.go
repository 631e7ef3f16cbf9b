package main

import (
	"io"
	"os"

	"mom.internal/cmd/momclient/internal/tty"
	"mom.internal/wire"
)

// openTerminal returns w as a terminal, or nil if w is none.
func openTerminal(w io.Writer) *tty.Terminal {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	return tty.Open(os.Stdin, f)
}

// chooseOutput replaces auto by a format, and refuses a watch that cannot be
// drawn. In the background of a shell, auto is text.
func (c *config) chooseOutput(term *tty.Terminal, kind string) error {
	able := kind != "" && kind != "dumb"
	switch {
	case c.output == "auto" && term != nil && able && term.Foreground():
		c.output = "watch"
	case c.output == "auto":
		c.output = "text"
	case c.output == "watch" && term == nil:
		return usagef("-o watch needs a terminal, and stdout is none; use -o text")
	case c.output == "watch" && !able:
		return usagef("-o watch needs a terminal that can move its cursor, and TERM is %q; use -o text", kind)
	}
	return nil
}

// start returns where the first subscription begins. A board begins at the
// oldest event, so that it has jobs that ended before. With -exit-when-done it
// begins now, because the earlier ends would count.
func (c *config) start() wire.From {
	if c.showsBoard() && !c.fromSet && !c.untilEnd {
		return wire.FromOldest
	}
	return c.from
}

// quietStderr returns where the statuses go while the screen is drawn. The
// screen shows them too, so they go nowhere, unless stderr is not a terminal.
func quietStderr(stderr io.Writer) io.Writer {
	if openTerminal(stderr) != nil {
		return io.Discard
	}
	return stderr
}
