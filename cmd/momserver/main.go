// Command momserver mirrors directories and tells whoever subscribes how it
// goes: a mirroring server with a MoM server in it.
//
// See momserver -h for the flags and the exit codes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"mom.internal/cmd/internal/version"
	"mom.internal/cmd/momserver/internal/mirror"
	"mom.internal/momserver"
)

// The exit codes.
const (
	exitOK     = 0 // all was mirrored; or, without -once, ended by a signal
	exitFailed = 1 // with -once a run failed, was interrupted or left something out; or the server could not run
	exitUsage  = 2 // flags, or a file that they name
)

// drainTime bounds how long subscribers have at the end to get what is cached.
const drainTime = 10 * time.Second

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal kills
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the command, but for the process around it.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		writeHelp(stdout)
		return exitOK
	case errors.Is(err, errVersion):
		version.Write(stdout, "momserver")
		return exitOK
	}
	ok := false
	var log *slog.Logger
	if err == nil {
		log = c.newLogger(stderr)
		ok, err = serve(ctx, c, notifier{getenv("NOTIFY_SOCKET"), log}, log)
	}
	switch {
	case err != nil && log != nil && c.logFormat == "json": // whoever reads JSON reads nothing else
		log.Error(err.Error())
	case isUsage(err):
		fmt.Fprintf(stderr, "momserver: %v\nmomserver -h shows the flags.\n", err)
	case err != nil:
		fmt.Fprintf(stderr, "momserver: %v\n", err)
	}
	switch {
	case isUsage(err):
		return exitUsage
	case err != nil || c.once && !ok:
		return exitFailed
	}
	return exitOK
}

// serve runs the server and the mirrors until they are through, with -once, or
// ctx is done. It reports whether every run mirrored all.
func serve(ctx context.Context, c *config, manager notifier, log *slog.Logger) (ok bool, err error) {
	if c.demo() {
		clean, err := c.prepareDemo()
		if err != nil {
			return false, err
		}
		defer clean()
	}
	cfg := c.server
	cfg.Logger = log
	c.badTLS = func(err error) { log.Warn("the certificates as they were stay in force", "error", err) }
	srv := momserver.New(cfg)
	mirrors, err := c.mirrors(srv)
	if err != nil {
		return false, err
	}
	l, err := c.listen()
	if err != nil {
		return false, err
	}
	log.Info("listening", "addr", l.Addr().String())
	debugPages, err := c.startDebug(srv, log)
	if err != nil {
		l.Close()
		return false, err
	}
	defer debugPages.Stop() // at the very end, so that the pages can show the drain
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	<-l.accepting
	stopping := manager.ready(ctx, l.Addr())

	ok = c.mirrorAll(ctx, srv, mirrors, log)
	stopping()
	if ctx.Err() != nil {
		log.Info("ending when subscribers have everything; a second signal ends at once")
	}

	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		log.Warn("not everybody has got everything", "error", err)
	}
	if err := <-served; !errors.Is(err, momserver.ErrServerClosed) {
		return ok, err
	}
	return ok, nil
}

// mirrorAll runs every mirror, all at once, and reports whether every run
// mirrored all.
func (c *config) mirrorAll(ctx context.Context, srv *momserver.Server, mirrors []*mirror.Mirror, log *slog.Logger) bool {
	if c.wait > 0 {
		log.Info("waiting for subscribers", "want", c.wait)
	}
	if !c.waitSubscribers(ctx, srv) {
		return false
	}
	var wg sync.WaitGroup
	results := make([]bool, len(mirrors))
	for i, m := range mirrors {
		wg.Go(func() { results[i] = c.repeat(ctx, m, log) })
	}
	wg.Wait()
	for _, ok := range results {
		if !ok {
			return false
		}
	}
	return true
}

// waitSubscribers waits for -wait subscribers; false when ctx is done.
func (c *config) waitSubscribers(ctx context.Context, srv *momserver.Server) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for srv.Stats().Subscribers < c.wait {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// repeat runs a mirror once, or every interval until ctx is done, and reports
// whether the last run mirrored all.
func (c *config) repeat(ctx context.Context, m *mirror.Mirror, log *slog.Logger) bool {
	var before string
	for {
		ok, said := runOnce(ctx, m, before, log)
		before = said
		if c.once || ctx.Err() != nil {
			return ok
		}
		timer := time.NewTimer(c.every)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ok
		}
		if c.demo() { // so that there is something to see
			emptyDir(m.Destination(), log)
		}
	}
}

// runOnce runs a mirror and says how it went: a line for each thing worth a
// warning, and one for the run. A run that did nothing and was like the one
// before is worth no more than a debugging line. It returns what it said, to be
// given to the next.
func runOnce(ctx context.Context, m *mirror.Mirror, before string, log *slog.Logger) (ok bool, said string) {
	r, err := m.Run(ctx)
	said = fmt.Sprint(r, err)
	info := slog.LevelInfo
	if said == before {
		info = slog.LevelDebug
	} else {
		for _, n := range r.Notes {
			tell := log.Warn
			if n.Error {
				tell = log.Error
			}
			tell(n.Message, "job", m.Name(), "item", n.Item)
		}
	}
	log = log.With("job", m.Name(), "packages", r.Packages, "files", r.Files, "bytes", r.Bytes, "deleted", r.Deleted)
	switch {
	case err != nil:
		log.Error("mirroring failed", "error", err)
	case !r.Clean():
		log.Error("mirrored with errors", "packagesFailed", r.Failed, "leftOut", r.Skipped)
	case r.Packages == 0 && r.Deleted == 0:
		log.Log(ctx, info, "nothing to mirror: the destination is up to date")
	default:
		log.Info("mirrored")
	}
	return err == nil && r.Clean(), said
}
