package main

import (
	"io"
	"os"

	"mom.internal/cmd/momclient/internal/tty"
	"mom.internal/wire"
)

// openTerminal returns the terminal that w is, nil where it is none.
func openTerminal(w io.Writer) *tty.Terminal {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	return tty.Open(os.Stdin, f)
}

// chooseOutput makes auto what it stands for, and refuses a watch where it
// cannot be drawn. A monitor that a shell has put into the background prints
// text, which it may.
func (c *config) chooseOutput(term *tty.Terminal, kind string) error {
	able := kind != "" && kind != "dumb"
	switch {
	case c.output == "auto" && term != nil && able && term.Foreground():
		c.output = "watch"
	case c.output == "auto":
		c.output = "text"
	case c.output == "watch" && term == nil:
		return usagef("-o watch wants a terminal, and stdout is none; use -o text")
	case c.output == "watch" && !able:
		return usagef("-o watch wants a terminal that can move its cursor, and TERM is %q; use -o text", kind)
	}
	return nil
}

// start is where the first subscription begins. A board begins with what the
// server remembers, so that jobs that ended before are seen too; not where the
// ends of runs are waited for, because those would count.
func (c *config) start() wire.From {
	if c.showsBoard() && !c.fromSet && !c.untilEnd {
		return wire.FromOldest
	}
	return c.from
}

// quietStderr returns where messages on the connection go while the screen is
// drawn, which shows the same: nowhere, unless stderr is not a terminal.
func quietStderr(stderr io.Writer) io.Writer {
	if openTerminal(stderr) != nil {
		return io.Discard
	}
	return stderr
}
