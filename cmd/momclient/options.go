package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"

	"mom.internal/cmd/internal/tlsfiles"
	"mom.internal/momclient"
	"mom.internal/wire"
)

// options returns what the flags, and the files that they name, come to.
func (c *config) options(getenv func(string) string) (momclient.Options, error) {
	o := momclient.Options{
		AutoReconnect: true, Period: c.period, From: c.start(), Filter: c.serverFilter(),
		Name: c.name, CallbackAddr: c.callback, Token: getenv("MOM_TOKEN"),
	}
	source := "MOM_TOKEN"
	if c.tokenFile != "" {
		source = "-token-file " + c.tokenFile
		data, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return o, fmt.Errorf("-token-file: %w", err)
		}
		if o.Token = strings.TrimRight(string(data), "\r\n"); o.Token == "" {
			return o, fmt.Errorf("-token-file %s is empty", c.tokenFile)
		}
	}
	if len(o.Token) > wire.MaxTokenBytes {
		return o, fmt.Errorf("%s: a token of %d bytes; at most %d", source, len(o.Token), wire.MaxTokenBytes)
	}
	var err error
	o.TLS, err = c.tlsConfig()
	return o, err
}

// tlsConfig returns nil where no -tls flag is given. The files are read again
// when they change, for the connections that come after.
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
	host, _, _ := net.SplitHostPort(c.addr)
	return tlsfiles.Client(host, own, servers), nil
}
