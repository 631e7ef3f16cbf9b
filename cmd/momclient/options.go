package main

import (
	"crypto/tls"
	"fmt"

	"mom.internal/cmd/internal/tlsfiles"
	"mom.internal/cmd/internal/token"
	"mom.internal/momclient"
	"mom.internal/wire/protocol"
)

// options returns the options of the client of a server from the flags and the files
// that the flags name.
func (c *config) options(s *server, getenv func(string) string) (momclient.Options, error) {
	o := momclient.Options{
		AutoReconnect: true, Period: c.period, From: c.start(), Filter: c.serverFilter(),
		Name: c.name, CallbackAddr: c.callback,
	}
	var err error
	if s.noToken {
		getenv = func(string) string { return "" }
	}
	if o.Token, err = token.Read(s.tokenFile, getenv); err == nil {
		o.TLS, err = c.tlsConfig(s)
	}
	if err != nil && s.name != s.addr {
		err = fmt.Errorf("the server %s: %w", s.name, err)
	}
	return o, err
}

// tlsConfig returns nil if the server does not use TLS. A file that changes is read
// again for the next connection. Servers share what a file has, so that its errors are
// reported once.
func (c *config) tlsConfig(s *server) (*tls.Config, error) {
	if !s.tls && s.tlsCA == "" && s.tlsCert == "" {
		return nil, nil
	}
	report := func(err error) { c.badTLS(err) }
	own, servers := c.pairs[s.tlsCert+"\x00"+s.tlsKey], c.pools[s.tlsCA]
	var err error
	if s.tlsCA != "" && servers == nil {
		if servers, err = tlsfiles.ReadPool(s.tlsCA, report); err != nil {
			return nil, fmt.Errorf("-tls-ca: %w", err)
		}
		c.pools[s.tlsCA] = servers
	}
	if s.tlsCert != "" && own == nil {
		if own, err = tlsfiles.ReadPair(s.tlsCert, s.tlsKey, report); err != nil {
			return nil, fmt.Errorf("-tls-cert, -tls-key: %w", err)
		}
		c.pairs[s.tlsCert+"\x00"+s.tlsKey] = own
	}
	return tlsfiles.Client(protocol.ServerName(s.addr), own, servers), nil
}
