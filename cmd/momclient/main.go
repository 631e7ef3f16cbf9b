// Command momclient is the monitor: it subscribes to a MoM server and shows
// what the mirroring jobs do: on a screen that is kept up to date, in a
// browser, or as a line of text, JSON or CloudEvents for every event.
//
// stdout has the events, and stderr the state of the connection. Each event is
// written completely, by one write, and only then counts as shown. So a cursor
// file never runs ahead of stdout, and a monitor that is killed and started
// again may repeat an event, but loses none.
//
// See momclient -h for the flags and the exit codes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitOK     = 0 // a signal ended it; with -exit-when-done: the runs succeeded
	exitFailed = 1 // a run did not succeed; or the output could not be written, or the page not served
	exitUsage  = 2 // a flag, or a file that a flag names, is wrong
	exitLost   = 3 // the server refused, was not reached or was lost
)

// grace is the time that the program has to end after a signal. Then main
// exits, because nothing can interrupt a write to a stdout that nobody reads.
const grace = 3 * time.Second

func main() {
	// A write to a closed stdout returns an error, and the program ends quietly. The
	// signal is not ignored, because a command of -notify would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	done := make(chan int, 1)
	go func() { done <- run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr) }()
	select {
	case code := <-done:
		os.Exit(code)
	case <-ctx.Done():
	}
	stop() // a second signal kills
	select {
	case code := <-done:
		os.Exit(code)
	case <-time.After(grace):
		fmt.Fprintln(os.Stderr, "momclient: ended because stdout accepts no more; the last event may be cut off")
		os.Exit(exitFailed)
	}
}
