package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"mom.internal/cmd/internal/guard"
	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/web"
	"mom.internal/wire"
)

// pageServer serves what -http asks for.
type pageServer struct {
	web    *web.Server
	server *http.Server
	leave  context.CancelFunc // ends the streams of the pages that are open
	ended  chan struct{}
}

// startPage begins to serve the page, where -http asks for it; else it returns
// nil. It says where on stderr.
func (c *config) startPage(b *board.Board, stderr io.Writer) (*pageServer, error) {
	if c.http == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", c.http)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; name another address with -http, port 0 is any", c.http, err)
	}
	fmt.Fprintf(stderr, "momclient: the page is at http://%s/\n", l.Addr())
	if guard.BeyondLoopback(l.Addr()) {
		fmt.Fprintln(stderr, "momclient: warning: the page can be reached from other machines: whoever does sees all jobs and their logs; -http 127.0.0.1:PORT keeps it here")
	}
	host, _, _ := net.SplitHostPort(c.http) // as checked
	ctx, leave := context.WithCancel(context.Background())
	p := &pageServer{web: web.New(web.Options{Board: b, JSON: output.JSON}), leave: leave, ended: make(chan struct{})}
	p.server = &http.Server{
		Handler:           guard.Handler(host, "-http", p.web),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // a stream extends it
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0), // what browsers do wrong is theirs
	}
	go func() {
		defer close(p.ended)
		if err := p.server.Serve(guard.Listener(l)); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(stderr, "momclient: the page ended: %v\n", err)
		}
	}()
	return p, nil
}

// event keeps an event for who asks. A nil one does nothing.
func (p *pageServer) event(e *wire.Event) error {
	if p == nil {
		return nil
	}
	return p.web.Event(e)
}

// stop ends the page: requests in progress have a second, streams none.
func (p *pageServer) stop() {
	if p == nil {
		return
	}
	p.leave()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		p.server.Close()
	}
	<-p.ended
}
