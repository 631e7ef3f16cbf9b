// Command momserver mirrors directories, and publishes events about that to its
// subscribers: it is a mirroring server with a MoM server.
//
// See momserver -h for the flags and the exit codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"mom.internal/cmd/internal/clean"
	"mom.internal/cmd/momserver/internal/mirror"
	"mom.internal/momserver"
)

// The exit codes.
const (
	exitOK     = 0 // everything was mirrored; or without -once a signal ended it
	exitFailed = 1 // with -once a run failed, was interrupted or had errors; or the server could not run
	exitUsage  = 2 // a flag, or a file that a flag names, is wrong
)

// drainTime bounds the time that subscribers have at the end to receive the
// cached events.
const drainTime = 10 * time.Second

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal kills
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the command without its process.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, getenv)
	if manual().Answer(stdout, err) {
		return exitOK
	}
	ok := false
	var log *slog.Logger
	if err == nil {
		log = c.newLogger(stderr)
		if !c.demo() {
			c.mirror.State = stateDir(getenv)
		}
		if c.dryRun {
			c.once, c.mirror.DryRun = true, stdout
		}
		ok, err = serve(ctx, c, notifier{getenv("NOTIFY_SOCKET"), log}, log)
	}
	switch {
	case err != nil && log != nil && c.logFormat == "json": // a program that reads JSON cannot read text
		log.Error(err.Error())
	case isUsage(err):
		fmt.Fprintf(stderr, "momserver: %s\nmomserver -h shows the flags.\n", clean.Text(err.Error()))
	case err != nil:
		fmt.Fprintf(stderr, "momserver: %s\n", clean.Text(err.Error()))
	}
	switch {
	case isUsage(err):
		return exitUsage
	case err != nil || c.once && !ok:
		return exitFailed
	}
	return exitOK
}

// stateDir returns the directory for what mirrors remember between their runs:
// that of the service manager, or one in the user's cache. It returns "" if there
// is none.
func stateDir(getenv func(string) string) string {
	if dir, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "momserver")
}

// serve runs the server and the mirrors until ctx is done, or with -once until
// all runs have ended. It reports whether every run mirrored everything.
func serve(ctx context.Context, c *config, manager notifier, log *slog.Logger) (ok bool, err error) {
	if c.demo() {
		clean, err := c.prepareDemo()
		if err != nil {
			return false, err
		}
		defer clean()
	}
	c.mirror.Log = log
	cfg := c.Server
	cfg.Logger = log
	c.badFile = func(err error) {
		log.Warn("cannot use a changed certificate or token file; the earlier one remains in use", "error", err)
	}
	srv := momserver.New(cfg)
	defer c.watchToken(srv, log)()
	mirrors, err := c.mirrors(srv)
	if err != nil {
		return false, err
	}
	l, err := c.listen()
	if err != nil {
		return false, err
	}
	log.Info("listening", "requires", c.requires(), "addr", l.Addr().String())
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
		log.Info("ending when subscribers have received everything; a second signal ends at once")
	}

	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		log.Warn("some subscribers have not received everything", "error", err)
	}
	if err := <-served; !errors.Is(err, momserver.ErrServerClosed) {
		return ok, err
	}
	return ok, nil
}

// mirrorAll runs all mirrors at once, and reports whether every run mirrored
// everything.
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

// waitSubscribers waits for the subscribers of -wait. It returns false if ctx
// is done.
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

// repeat runs a mirror once, or again and again until ctx is done. It reports
// whether the last run mirrored everything.
func (c *config) repeat(ctx context.Context, m *mirror.Mirror, log *slog.Logger) bool {
	for {
		ok := c.runOnce(ctx, m, log)
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
		if c.demo() { // so that the next run has something to mirror
			emptyDir(m.Destination(), log)
		}
	}
}

// runOnce runs a mirror, and logs the result. A check that finds nothing to do is
// logged only if it is published.
func (c *config) runOnce(ctx context.Context, m *mirror.Mirror, log *slog.Logger) (ok bool) {
	r, err := m.Run(ctx)
	log = log.With("job", m.Name(), "packages", r.Packages, "files", r.Files, "bytes", r.Bytes, "deleted", r.Deleted)
	switch {
	case r.Silent: // also if it was interrupted
	case errors.Is(err, context.Canceled):
		log.Warn("mirroring was interrupted")
	case err != nil:
		log.Error("mirroring failed", "error", err)
	case !r.Clean():
		log.Error("mirrored with errors", "packagesFailed", r.Failed, "leftOut", r.Skipped)
	case c.dryRun:
		log.Info("dry run: nothing was copied or deleted")
	case r.Checks > 0:
		log.Info("nothing to mirror: the destination is up to date", "checks", r.Checks)
	default:
		log.Info("mirrored")
	}
	return err == nil && r.Clean()
}
