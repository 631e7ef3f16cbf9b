package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
)

// announced is a listener that reports the first call of Accept, when the
// server serves.
type announced struct {
	net.Listener
	accepting chan struct{} // closed by the first call of Accept
	announce  func()
}

// requires returns what clients need, for the log.
func (c *config) requires() string {
	var all []string
	if c.Server.TLS != nil {
		all = append(all, "TLS")
	}
	if c.tlsCA != "" {
		all = append(all, "client certificate")
	}
	if c.Server.Token != "" || c.token != nil {
		all = append(all, "token")
	}
	return cmp.Or(strings.Join(all, ", "), "nothing")
}

func (c *config) listen() (*announced, error) {
	listen := net.ListenConfig{KeepAlive: -1} // the server sets it after the greeting
	l, err := listen.Listen(context.Background(), "tcp", c.addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; name another address with -addr", c.addr, err)
	}
	accepting := make(chan struct{})
	return &announced{l, accepting, sync.OnceFunc(func() { close(accepting) })}, nil
}

func (a *announced) Accept() (net.Conn, error) {
	a.announce()
	return a.Listener.Accept()
}
