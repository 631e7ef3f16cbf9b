// Command momclient is the monitor: it subscribes to a MoM server and shows
// what its mirroring jobs do: on a screen that is kept up to date, in a browser,
// or every change of state as a line of text, JSON or CloudEvents.
//
// stdout carries the events, stderr says how the connection does. Each event
// is written whole, by one write, and only then counts as shown; so a cursor
// file never runs ahead of stdout, and a monitor that is killed and started
// again may repeat an event but never leaves one out.
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
	exitOK     = 0 // ended by Ctrl-C; with -exit-when-done: the runs completed
	exitFailed = 1 // a run completed with errors or failed; or the output could not be written, or the page not served
	exitUsage  = 2 // flags, or a file that they name
	exitLost   = 3 // the server refused, or could not be reached, or was lost
)

// grace is how long the program may take to end after a signal, before it ends
// without more ado: a write to a stdout that nobody reads cannot be broken off.
const grace = 3 * time.Second

func main() {
	signal.Ignore(syscall.SIGPIPE) // a closed stdout is an error of write, and ends the program quietly
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
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
		fmt.Fprintln(os.Stderr, "momclient: ended while stdout took no more; the event being written may be cut off")
		os.Exit(exitFailed)
	}
}
