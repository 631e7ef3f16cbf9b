package main

import (
	"log/slog"

	"mom.internal/cmd/internal/pages"
	"mom.internal/momserver"
	"mom.internal/momserver/debug"
)

// startDebug begins to serve the debug pages, if -debug asks for them. Otherwise
// it returns nil.
func (c *config) startDebug(srv *momserver.Server, log *slog.Logger) (*pages.Server, error) {
	if c.debug == "" {
		return nil, nil
	}
	p, err := pages.Start("-debug", c.debug, c.hosts, debug.Handler(srv), slog.NewLogLogger(log.Handler(), slog.LevelDebug), func(err error) {
		log.Error("the debug pages ended", "error", err)
	})
	if err != nil {
		return nil, err
	}
	log.Info("debug pages", "url", p.URL())
	if p.BeyondLoopback() {
		log.Warn("other machines can reach the debug pages, which show subscribers, memory and the command line; -debug 127.0.0.1:PORT keeps them on this machine")
	}
	return p, nil
}
