// Package pages serves the HTTP pages of a command at an address of their own.
// The pages are for the operator: the package refuses requests that pages of
// other sites make through a browser, and bounds the connections. Both commands
// use it.
package pages

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

// Address completes the address of pages, which was given with flag. Without a
// host the address is on loopback, because only the operator should see the pages
// unless the operator says otherwise, as with 0.0.0.0.
func Address(flag, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return "", fmt.Errorf("%s %q: want HOST:PORT or :PORT, as 127.0.0.1:8420", flag, addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Server serves pages from Start to Stop.
type Server struct {
	addr   net.Addr
	server *http.Server
	cancel context.CancelFunc // ends the requests in progress
	ended  chan struct{}
}

// Start begins to serve h at an address of [Address], which was given with flag.
// Browsers reach the pages under an IP address, localhost, the host of addr, the
// name of the machine, and the names. The server reports errors of requests to
// errorLog, and calls failed if it cannot go on.
func Start(flag, addr string, names Hosts, h http.Handler, errorLog *log.Logger, failed func(error)) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; name another address with %s, port 0 is any", addr, err, flag)
	}
	host, _, _ := net.SplitHostPort(addr)
	names = append(slices.Clip(names), host)
	if machine, err := os.Hostname(); err == nil {
		names = append(names, machine)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{addr: l.Addr(), cancel: cancel, ended: make(chan struct{})}
	s.server = &http.Server{
		Handler:           checkHost(names, h),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // a stream or a recording extends it
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          errorLog,
	}
	few := &fewConns{Listener: l}
	s.server.ConnState = few.changed
	go func() {
		defer close(s.ended)
		if err := s.server.Serve(few); !errors.Is(err, http.ErrServerClosed) {
			failed(err)
		}
	}()
	return s, nil
}

// URL returns the URL of the pages.
func (s *Server) URL() string { return "http://" + s.addr.String() + "/" }

// BeyondLoopback reports whether other machines can reach the pages.
func (s *Server) BeyondLoopback() bool { return !s.addr.(*net.TCPAddr).IP.IsLoopback() }

// Stop ends the server. Handlers that wait for the end of their request's context
// end at once, all others have a second. If s is nil, Stop does nothing.
func (s *Server) Stop() {
	if s == nil {
		return
	}
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	<-s.ended
}
