package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"mom.internal/cmd/internal/guard"
	"mom.internal/momserver"
	"mom.internal/momserver/debug"
)

// debugPages serves what -debug asks for.
type debugPages struct {
	server *http.Server
	leave  context.CancelFunc // ends recordings in progress
	ended  chan struct{}
}

// startDebug begins to serve the debug pages, where -debug asks for them; else
// it returns nil.
func (c *config) startDebug(srv *momserver.Server, log *slog.Logger) (*debugPages, error) {
	if c.debug == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", c.debug)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; name another address with -debug", c.debug, err)
	}
	log.Info("debug pages", "url", "http://"+l.Addr().String()+"/")
	if guard.BeyondLoopback(l.Addr()) {
		log.Warn("the debug pages can be reached from other machines: whoever does sees subscribers, memory and command line; -debug 127.0.0.1:PORT keeps them here")
	}
	host, _, _ := net.SplitHostPort(c.debug) // as checked
	ctx, leave := context.WithCancel(context.Background())
	d := &debugPages{leave: leave, ended: make(chan struct{})}
	d.server = &http.Server{
		Handler:           guard.Handler(host, "-debug", debug.Handler(srv)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // a recording extends it
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(d.ended)
		if err := d.server.Serve(guard.Listener(l)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the debug pages ended", "error", err)
		}
	}()
	return d, nil
}

// stop ends the pages: requests in progress have a second, recordings none.
func (d *debugPages) stop() {
	if d == nil {
		return
	}
	d.leave()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		d.server.Close()
	}
	<-d.ended
}
