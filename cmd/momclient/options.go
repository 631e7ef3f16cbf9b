package main

import (
	"crypto/tls"
	"fmt"

	"mom.internal/cmd/internal/tlsfiles"
	"mom.internal/cmd/internal/token"
	"mom.internal/momclient"
	"mom.internal/wire/protocol"
)

// options returns the options of the client from the flags and the files that
// the flags name.
func (c *config) options(getenv func(string) string) (momclient.Options, error) {
	o := momclient.Options{
		AutoReconnect: true, Period: c.period, From: c.start(), Filter: c.serverFilter(),
		Name: c.name, CallbackAddr: c.callback,
	}
	var err error
	if o.Token, err = token.Read(c.tokenFile, getenv); err != nil {
		return o, err
	}
	o.TLS, err = c.tlsConfig()
	return o, err
}

// tlsConfig returns nil if no -tls flag is given. A file that changes is read
// again for the next connection.
func (c *config) tlsConfig() (*tls.Config, error) {
	if !c.tls && c.tlsCA == "" && c.tlsCert == "" {
		return nil, nil
	}
	report := func(err error) { c.badTLS(err) }
	var own *tlsfiles.Pair
	var servers *tlsfiles.Pool
	var err error
	if c.tlsCA != "" {
		if servers, err = tlsfiles.ReadPool(c.tlsCA, report); err != nil {
			return nil, fmt.Errorf("-tls-ca: %w", err)
		}
	}
	if c.tlsCert != "" {
		if own, err = tlsfiles.ReadPair(c.tlsCert, c.tlsKey, report); err != nil {
			return nil, fmt.Errorf("-tls-cert, -tls-key: %w", err)
		}
	}
	return tlsfiles.Client(protocol.ServerName(c.addr), own, servers), nil
}
