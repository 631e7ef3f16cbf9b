package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"

	"mom/momclient"
	"mom/wire"
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
			return o, usagef("-token-file: %w", err)
		}
		if o.Token = strings.TrimRight(string(data), "\r\n"); o.Token == "" {
			return o, usagef("-token-file %s is empty", c.tokenFile)
		}
	}
	if len(o.Token) > wire.MaxTokenBytes {
		return o, usagef("%s: a token of %d bytes; at most %d", source, len(o.Token), wire.MaxTokenBytes)
	}
	var err error
	o.TLS, err = c.tlsConfig()
	return o, err
}

// tlsConfig returns nil where no -tls flag is given.
func (c *config) tlsConfig() (*tls.Config, error) {
	if !c.tls && c.tlsCA == "" && c.tlsCert == "" {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS13}
	if c.tlsCA != "" {
		pem, err := os.ReadFile(c.tlsCA)
		if err != nil {
			return nil, usagef("-tls-ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("-tls-ca: no certificate in %s", c.tlsCA)
		}
	}
	if c.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
		if err != nil {
			return nil, usagef("-tls-cert, -tls-key: %w", err)
		}
		t.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}
