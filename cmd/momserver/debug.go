package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mom/momserver"
	"mom/momserver/debug"
)

// maxDebugConns bounds the connections to the debug pages.
const maxDebugConns = 64

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
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		log.Warn("the debug pages can be reached from other machines: whoever does sees subscribers, memory and command line; -debug 127.0.0.1:PORT keeps them here")
	}
	host, _, _ := net.SplitHostPort(c.debug) // as checked
	ctx, leave := context.WithCancel(context.Background())
	d := &debugPages{leave: leave, ended: make(chan struct{})}
	d.server = &http.Server{
		Handler:           guarded(host, debug.Handler(srv)),
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
		if err := d.server.Serve(&fewConns{Listener: l}); !errors.Is(err, http.ErrServerClosed) {
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

// guarded refuses what comes by way of a foreign page in a browser that can
// reach this address. A page whose name is made to point here after it was
// loaded is told by the Host that it asks for: an address cannot be made to
// point elsewhere, and localhost and the name given with -debug are the
// operator's own. Any other foreign page is told by what its browser says of it.
func guarded(name string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !ownHost(r.Host, name):
			http.Error(w, "ask by an IP address or localhost, or start momserver with -debug NAME:PORT", http.StatusForbidden)
		case isForeign(r.Header):
			http.Error(w, "asked for by another site's page; open it by itself", http.StatusForbidden)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// ownHost reports whether a request's Host is one that nobody else can make
// point here. Only browsers are tricked, and they always say a Host.
func ownHost(host, name string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return true
	}
	return strings.EqualFold(host, "localhost") || strings.EqualFold(host, strings.TrimSuffix(name, "."))
}

// isForeign reports whether a browser asks on behalf of another site's page,
// other than by following a link.
func isForeign(head http.Header) bool {
	switch head.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return head.Get("Sec-Fetch-Mode") != "navigate" || head.Get("Sec-Fetch-Dest") != "document"
}

// fewConns is a listener that closes connections over maxDebugConns at once.
type fewConns struct {
	net.Listener
	open atomic.Int64
}

func (l *fewConns) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= maxDebugConns {
			return &countedConn{nc, sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		nc.Close()
	}
}

// countedConn gives its place free when it is closed.
type countedConn struct {
	net.Conn
	release func()
}

func (c *countedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
