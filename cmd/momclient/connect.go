package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"mom/momclient"
	"mom/wire"
)

// options returns what the flags, and the files that they name, come to.
func (c *config) options(getenv func(string) string) (momclient.Options, error) {
	o := momclient.Options{
		AutoReconnect: true, Period: c.period, From: c.from, Filter: c.serverFilter(),
		Name: c.name, CallbackAddr: c.callback, Token: getenv("MOM_TOKEN"),
	}
	if c.tokenFile != "" {
		data, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return o, usagef("-token-file: %w", err)
		}
		if o.Token = strings.TrimRight(string(data), "\r\n"); o.Token == "" {
			return o, usagef("-token-file %s is empty", c.tokenFile)
		}
	}
	if len(o.Token) > wire.MaxTokenBytes {
		return o, usagef("a token of %d bytes; at most %d", len(o.Token), wire.MaxTokenBytes)
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

// link says on stderr how the connection does.
type link struct {
	stderr io.Writer
	watch  *patience // nil without -exit-when-done
	away   string    // what was said last of a server that is away; "" while connected
}

// status is the OnConnection handler. A server that stays away is told of once,
// not at every attempt.
func (l *link) status(s momclient.ConnectionStatus) {
	switch s.Kind {
	case momclient.Connecting:
		if l.watch != nil {
			l.watch.away()
		}
		return
	case momclient.Connected, momclient.Resumed:
		l.away = ""
		if l.watch != nil {
			l.watch.back(s.NewEpoch)
		}
	case momclient.Draining, momclient.Lost:
		if l.watch != nil {
			l.watch.away()
		}
		if s.Err != nil && s.Err.Error() == l.away {
			return
		}
		if s.Err != nil {
			l.away = s.Err.Error()
		}
	case momclient.Reconnecting:
		if s.Attempt > 1 {
			return
		}
		fmt.Fprintf(l.stderr, "momclient: waiting for %s; trying again and again\n", s.Server)
		return
	case momclient.Refused:
		if s.Err.Error() == l.away || s.Final {
			return // a final one is what the program ends with
		}
		l.away = s.Err.Error()
	case momclient.Closed:
		return
	}
	fmt.Fprintf(l.stderr, "momclient: %v\n", s)
}

// quiet is how long, without -job, no new run may begin after the last end.
const quiet = time.Second

// patience ends the stream of -exit-when-done from outside: when the server is
// away for too long, or the last run has ended and none begins.
type patience struct {
	wait   time.Duration
	end    *ending
	cancel func(error)

	mu    sync.Mutex // guards the fields below
	gone  *time.Timer
	quiet *time.Timer
}

func newPatience(wait time.Duration, end *ending, cancel func(error)) *patience {
	return &patience{wait: wait, end: end, cancel: cancel}
}

// away notes that the server is not there.
func (p *patience) away() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone == nil {
		p.gone = time.AfterFunc(p.wait, func() { p.cancel(errAway) })
	}
}

// back notes that the server is there; another epoch cannot end the runs of the
// one before.
func (p *patience) back(newEpoch bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone != nil {
		p.gone.Stop()
		p.gone = nil
	}
	if newEpoch && p.end.unfinished() {
		p.cancel(errRunLost)
	}
}

// seen looks again, after an event, whether all is over.
func (p *patience) seen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet != nil {
		p.quiet.Stop()
		p.quiet = nil
	}
	if p.end.pausing() {
		p.quiet = time.AfterFunc(quiet, func() { p.cancel(errQuiet) })
	}
}

func (p *patience) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range []*time.Timer{p.gone, p.quiet} {
		if t != nil {
			t.Stop()
		}
	}
}
