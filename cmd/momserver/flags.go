package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"mom/cmd/momserver/internal/mirror"
	"mom/momserver"
	"mom/wire"
)

// config is what the flags say.
type config struct {
	addr   string
	once   bool
	every  time.Duration
	wait   int // subscribers
	paths  []string
	sample bool // paths are the sample's
	mirror mirror.Options
	server momserver.Config

	tokenFile              string
	tlsCert, tlsKey, tlsCA string
}

// usageError is a fault of the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// flagSet returns the flags with their defaults, to be parsed into c.
func flagSet(c *config) *flag.FlagSet {
	fs := flag.NewFlagSet("momserver", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are printed by run
	fs.Usage = func() {}

	fs.StringVar(&c.addr, "addr", "127.0.0.1:7420", "listen on `HOST:PORT`")
	fs.BoolVar(&c.once, "once", false, "run each pair once, and end when whoever is subscribed has everything")
	fs.DurationVar(&c.every, "every", 5*time.Second, "run each pair again this long after its run has ended, `DURATION`")
	fs.IntVar(&c.wait, "wait", 0, "begin when `N` subscribers are there")
	fs.Int64Var(&c.mirror.Bandwidth, "bandwidth", 0, "transfer at most this many `BYTES` a second, for each pair; 0 for no limit")
	fs.BoolVar(&c.mirror.Delete, "delete", false, "delete at the destination what is not at the source")
	fs.BoolVar(&c.mirror.ContinueOnError, "continue-on-error", false, "go on past a failed package, and past files that cannot be read")
	fs.IntVar(&c.mirror.PackageFiles, "package-files", 40, "at most this many `FILES` in a package")
	fs.Int64Var(&c.mirror.PackageBytes, "package-bytes", 8388608, "at most this many `BYTES` of files in a package; a larger file has one of its own")

	fs.IntVar(&c.server.CacheEvents, "cache-events", 10000, "keep this many `EVENTS` for subscribers that lag or come back")
	fs.IntVar(&c.server.MaxSubscribers, "max-subscribers", 10000, "take at most `N` subscribers")
	fs.DurationVar(&c.server.CallTimeout, "call-timeout", 5*time.Second, "drop a subscriber that has not answered a call for this `DURATION`")
	fs.DurationVar(&c.server.Heartbeat, "heartbeat", 3*time.Second, "call an idle subscriber this often, `DURATION`")
	fs.DurationVar(&c.server.ProgressInterval, "progress-interval", 250*time.Millisecond, "tell a package's progress at most this often, `DURATION`")

	fs.StringVar(&c.tokenFile, "token-file", "", "want the token in `FILE` from clients; else that of the environment's MOM_TOKEN, if any")
	fs.StringVar(&c.tlsCert, "tls-cert", "", "speak TLS with the certificate in `FILE` (PEM), with -tls-key")
	fs.StringVar(&c.tlsKey, "tls-key", "", "the certificate's key, `FILE` (PEM)")
	fs.StringVar(&c.tlsCA, "tls-client-ca", "", "want certificates of clients, signed by one in `FILE` (PEM)")
	return fs
}

// printHelp prints every flag with its default.
func printHelp(w io.Writer) {
	fmt.Fprint(w, `momserver mirrors directories and tells subscribers how it goes.

Usage: momserver [flags] [SRC DST ...]

Without SRC and DST it mirrors testdata/site into a temporary directory, slowly
enough to be watched. Exit codes: 0 all was mirrored, or ended by a signal;
1 with -once a run failed or left something out; 2 wrong flags.

`)
	fs := flagSet(new(config))
	fs.SetOutput(w)
	fs.PrintDefaults()
}

// parseFlags reads the command line and the files that it names. The error is
// flag.ErrHelp, or a usageError that names the flag.
func parseFlags(args []string, getenv func(string) string) (*config, error) {
	c := new(config)
	fs := flagSet(c)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usageError{err}
	}
	c.paths = fs.Args()
	set := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if set["once"] && set["every"] && c.once {
		return nil, usagef("-once and -every exclude each other")
	}
	if c.demo() && !set["bandwidth"] {
		c.mirror.Bandwidth = demoBandwidth
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.readToken(getenv); err != nil {
		return nil, err
	}
	return c, c.readTLS()
}

// check refuses what cannot be meant.
func (c *config) check() error {
	for _, bound := range []struct {
		flag  string
		value int64
		least int64
	}{
		{"-every", int64(c.every), 1}, {"-wait", int64(c.wait), 0},
		{"-bandwidth", c.mirror.Bandwidth, 0}, {"-package-files", int64(c.mirror.PackageFiles), 1},
		{"-package-bytes", c.mirror.PackageBytes, 1}, {"-cache-events", int64(c.server.CacheEvents), 1},
		{"-max-subscribers", int64(c.server.MaxSubscribers), 1}, {"-call-timeout", int64(c.server.CallTimeout), 1},
		{"-heartbeat", int64(c.server.Heartbeat), 1}, {"-progress-interval", int64(c.server.ProgressInterval), 1},
	} {
		if bound.value < bound.least {
			return usagef("%s %d: want at least %d", bound.flag, bound.value, bound.least)
		}
	}
	if len(c.paths)%2 != 0 {
		return usagef("%s has no destination: want SRC DST, or several such pairs", c.paths[len(c.paths)-1])
	}
	for _, p := range c.paths {
		if p == "" {
			return usagef("an empty path")
		}
		if strings.HasPrefix(p, "-") {
			return usagef("%s stands behind the paths; flags come first", p)
		}
	}
	return nil
}

// readToken reads the token, from a file or the environment, never from the
// command line, which everybody on the machine can read.
func (c *config) readToken(getenv func(string) string) error {
	c.server.Token = getenv("MOM_TOKEN")
	if c.tokenFile != "" {
		data, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return usagef("-token-file: %w", err)
		}
		if c.server.Token = strings.TrimRight(string(data), "\r\n"); c.server.Token == "" {
			return usagef("-token-file %s is empty", c.tokenFile)
		}
	}
	if n := len(c.server.Token); n > wire.MaxTokenBytes {
		return usagef("a token of %d bytes; at most %d", n, wire.MaxTokenBytes)
	}
	return nil
}

// readTLS reads the certificates.
func (c *config) readTLS() error {
	if (c.tlsCert == "") != (c.tlsKey == "") {
		return usagef("-tls-cert and -tls-key go together")
	}
	if c.tlsCert == "" {
		if c.tlsCA != "" {
			return usagef("-tls-client-ca wants -tls-cert and -tls-key")
		}
		return nil
	}
	cert, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
	if err != nil {
		return usagef("-tls-cert, -tls-key: %w", err)
	}
	c.server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	if c.tlsCA == "" {
		return nil
	}
	pem, err := os.ReadFile(c.tlsCA)
	if err != nil {
		return usagef("-tls-client-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return usagef("-tls-client-ca: no certificate in %s", c.tlsCA)
	}
	c.server.TLS.ClientCAs, c.server.TLS.ClientAuth = pool, tls.RequireAndVerifyClientCert
	return nil
}

// mirrors returns a mirror for each pair of paths.
func (c *config) mirrors(srv *momserver.Server, log *slog.Logger) ([]*mirror.Mirror, error) {
	var all []*mirror.Mirror
	taken := make(map[string]bool)
	for i := 0; i+1 < len(c.paths); i += 2 {
		m, err := mirror.New(srv, c.paths[i], c.paths[i+1], c.mirror)
		if err != nil {
			return nil, usageError{err}
		}
		if taken[m.Destination()] {
			return nil, usagef("two pairs have the destination %s", m.Destination())
		}
		taken[m.Destination()] = true
		all = append(all, m)
	}
	return all, nil
}
