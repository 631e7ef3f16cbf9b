package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"mom.internal/cmd/internal/filewatch"
	"mom.internal/cmd/internal/help"
	"mom.internal/cmd/internal/pages"
	"mom.internal/cmd/internal/size"
	"mom.internal/cmd/internal/tlsfiles"
	"mom.internal/cmd/momserver/internal/exclude"
	"mom.internal/cmd/momserver/internal/limit"
	"mom.internal/cmd/momserver/internal/mirror"
	"mom.internal/momserver"
	"mom.internal/wire/protocol"
)

// config has the values of the flags.
type config struct {
	addr   string
	debug  string // where the debug pages are; "" for nowhere
	hosts  pages.Hosts
	once   bool
	dryRun bool

	maxDelete limit.Deletions
	exclude   exclude.Set
	every     time.Duration
	wait      int // number of subscribers
	paths     []string
	sample    bool // paths are those of the sample
	mirror    mirror.Options
	Server    momserver.Config // exported, so that its token is left out when a config is printed

	about help.About

	logFormat, logLevel    string
	tokenFile              string
	tlsCert, tlsKey, tlsCA string
	badFile                func(error)              // receives the error of a file that has changed and cannot be used
	token                  *filewatch.Value[string] // of -token-file; nil without
	tokenChanged           func()                   // called before a client is let in with another token than before
}

// usageError is an error of the command line.
type usageError struct{ error }

func isUsage(err error) bool { return errors.As(err, new(usageError)) }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// flagSet returns the flags with their defaults, to be parsed into c.
func flagSet(c *config) *flag.FlagSet {
	fs := flag.NewFlagSet("momserver", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints errors
	fs.Usage = func() {}

	fs.BoolVar(&c.once, "once", false, "run once; give subscribers 10s to catch up; exit")
	fs.DurationVar(&c.every, "every", 5*time.Second, "run each pair again after a pause of `TIME`")
	fs.IntVar(&c.wait, "wait", 0, "start mirroring when there are `N` subscribers")
	fs.DurationVar(&c.mirror.ReportIdle, "report-idle", 10*time.Minute, "report idle checks every `T`; 0 for each")
	fs.BoolVar(&c.dryRun, "dry-run", false, "run once, and only say what would be copied and deleted")

	fs.BoolVar(&c.mirror.Delete, "delete", false, "delete files at DST that SRC does not have")
	fs.Var(&c.maxDelete, "max-delete", "delete at most `N` files, or N%")
	fs.Var(c.exclude.Pattern(), "exclude", "leave out what matches `PATTERN`, as in .gitignore")
	fs.Var(c.exclude.File(), "exclude-from", "leave out what matches a pattern in `FILE`")
	fs.BoolVar(&c.mirror.Checksum, "checksum", false, "compare the content of all files")
	fs.StringVar(&c.mirror.Spool, "spool", "", "let packages arrive in `DIR`, not in DST")
	fs.BoolVar(&c.mirror.ContinueOnError, "continue-on-error", false, "go on after failed packages and unreadable files")

	fs.IntVar(&c.mirror.PackageFiles, "package-files", 40, "at most `N` files in a package")
	c.mirror.PackageBytes = 8 << 20
	fs.Var((*size.Bytes)(&c.mirror.PackageBytes), "package-bytes", "at most `SIZE` of files in a package")
	fs.Var((*size.Rate)(&c.mirror.Bandwidth), "bandwidth", "transfer at most `SIZE` a second, for each pair")
	fs.DurationVar(&c.Server.ProgressInterval, "progress-interval", 250*time.Millisecond, "publish progress every `T`")

	fs.StringVar(&c.addr, "addr", "127.0.0.1:7420", "listen on `ADDR`, HOST:PORT")
	fs.StringVar(&c.tokenFile, "token-file", "", "require the token in `FILE`, also when it changes")
	fs.StringVar(&c.tlsCert, "tls-cert", "", "use TLS with the certificate in `FILE` (PEM)")
	fs.StringVar(&c.tlsKey, "tls-key", "", "the key of the certificate, in `FILE` (PEM)")
	fs.StringVar(&c.tlsCA, "tls-client-ca", "", "require client certificates signed by one in `FILE`")
	fs.IntVar(&c.Server.MaxSubscribers, "max-subscribers", 10000, "accept at most `N` subscribers")
	fs.IntVar(&c.Server.MaxConns, "max-conns", 12000, "accept at most `N` connections")
	fs.IntVar(&c.Server.MaxConnsPerAddr, "max-conns-per-addr", 0, "at most `N` from one address; 0 for half")
	fs.IntVar(&c.Server.CacheEvents, "cache-events", 10000, "cache `N` events for clients that lag")
	fs.DurationVar(&c.Server.CallTimeout, "call-timeout", 5*time.Second, "drop a client if a call takes over `TIME`")
	fs.DurationVar(&c.Server.Heartbeat, "heartbeat", 3*time.Second, "call an idle subscriber every `TIME`")

	fs.StringVar(&c.debug, "debug", "", "metrics, health, profiles on `ADDR`; :PORT is loopback")
	fs.Var(&c.hosts, pages.HostsFlag, "serve these pages under `NAME` too, behind a proxy")
	fs.StringVar(&c.logFormat, "log-format", "text", "log to stderr as `FORMAT`, text or json")
	fs.StringVar(&c.logLevel, "log-level", "info", "from `LEVEL` up: debug, info, warn, error")
	c.about.AddFlags(fs)
	return fs
}

// parseFlags reads the command line and the files that the flags name. The
// error is one that Command.Answer of package help takes, or a usageError that names
// the flag.
func parseFlags(args []string, getenv func(string) string) (*config, error) {
	c := &config{badFile: func(error) {}, tokenChanged: func() {}}
	fs := flagSet(c)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usageError{fmt.Errorf("%w%s", err, help.Wanted(fs, err))}
	}
	if err := c.about.Asked(); err != nil {
		return nil, err
	}
	c.paths = fs.Args()
	set := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if set["once"] && set["every"] && c.once {
		return nil, usagef("-once and -every exclude each other; leave one out")
	}
	if c.demo() && !set["bandwidth"] {
		c.mirror.Bandwidth = demoBandwidth
	}
	c.mirror.MaxDelete, c.mirror.Exclude = &c.maxDelete, c.exclude.Match
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.readToken(getenv); err != nil {
		return nil, usageError{err}
	}
	return c, c.readTLS()
}

// check refuses values and combinations that make no sense.
func (c *config) check() error {
	for _, bound := range []struct {
		flag         string
		value, least int64
	}{
		{"-wait", int64(c.wait), 0}, {"-bandwidth", c.mirror.Bandwidth, 0},
		{"-package-files", int64(c.mirror.PackageFiles), 1}, {"-package-bytes", c.mirror.PackageBytes, 1},
		{"-cache-events", int64(c.Server.CacheEvents), 1}, {"-max-subscribers", int64(c.Server.MaxSubscribers), 1},
		{"-max-conns", int64(c.Server.MaxConns), 1}, {"-max-conns-per-addr", int64(c.Server.MaxConnsPerAddr), 0},
	} {
		if bound.value < bound.least {
			return usagef("%s %d: want at least %d", bound.flag, bound.value, bound.least)
		}
	}
	if n := c.Server.MaxSubscribers; n > 1<<20 {
		return usagef("-max-subscribers %d: want at most %d", n, 1<<20)
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"-every", c.every}, {"-progress-interval", c.Server.ProgressInterval},
		{"-call-timeout", c.Server.CallTimeout}, {"-heartbeat", c.Server.Heartbeat},
	} {
		if d.value <= 0 {
			return usagef("%s %v: want more than 0, as 250ms or 5s", d.flag, d.value)
		}
	}
	if h := c.Server.Heartbeat; h < time.Millisecond || h > protocol.MaxHeartbeat {
		return usagef("-heartbeat %v: want at least %v, and at most %v", h, time.Millisecond, protocol.MaxHeartbeat)
	}
	if d := c.mirror.ReportIdle; d < 0 {
		return usagef("-report-idle %v: want 0 or more, as 10m", d)
	}
	if c.wait > c.Server.MaxSubscribers {
		return usagef("-wait %d: -max-subscribers allows only %d", c.wait, c.Server.MaxSubscribers)
	}
	_, port, err := net.SplitHostPort(c.addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return usagef("-addr %s: want HOST:PORT, as 127.0.0.1:7420 (%w)", c.addr, err)
	}
	if c.debug != "" {
		if c.debug, err = pages.Address("-debug", c.debug); err != nil {
			return usageError{err}
		}
	}
	if _, ok := logLevels[c.logLevel]; !ok {
		return usagef("-log-level %s: want debug, info, warn or error", c.logLevel)
	}
	if c.logFormat != "text" && c.logFormat != "json" {
		return usagef("-log-format %s: want text or json", c.logFormat)
	}
	return c.checkPaths()
}

func (c *config) checkPaths() error {
	for _, p := range c.paths {
		switch {
		case p == "":
			return usagef("an empty path: want SRC DST, or several such pairs")
		case strings.HasPrefix(p, "-"):
			return usagef("%s stands after the paths: flags come first; ./%s is a path of that name", p, p)
		}
	}
	if len(c.paths)%2 != 0 {
		return usagef("%s has no destination: want SRC DST, or several such pairs", c.paths[len(c.paths)-1])
	}
	return nil
}

// readTLS reads the certificates. A file that changes is read again for the
// next connection.
func (c *config) readTLS() error {
	if (c.tlsCert == "") != (c.tlsKey == "") {
		return usagef("-tls-cert and -tls-key go together; name a file with each")
	}
	if c.tlsCert == "" {
		if c.tlsCA != "" {
			return usagef("-tls-client-ca needs -tls-cert and -tls-key; name those too")
		}
		return nil
	}
	report := func(err error) { c.badFile(err) }
	own, err := tlsfiles.ReadPair(c.tlsCert, c.tlsKey, report)
	if err != nil {
		return usagef("-tls-cert, -tls-key: %w; want a certificate and its key, as PEM", err)
	}
	var clients *tlsfiles.Pool
	if c.tlsCA != "" {
		if clients, err = tlsfiles.ReadPool(c.tlsCA, report); err != nil {
			return usagef("-tls-client-ca: %w; want one certificate or more, as PEM", err)
		}
	}
	c.Server.TLS = tlsfiles.Server(own, clients)
	return nil
}

func (c *config) mirrors(srv *momserver.Server) ([]*mirror.Mirror, error) {
	var all []*mirror.Mirror
	for i := 0; i+1 < len(c.paths); i += 2 {
		m, err := mirror.New(srv, c.paths[i], c.paths[i+1], c.mirror)
		if err != nil {
			return nil, usageError{err}
		}
		for _, other := range all {
			if m.Overlaps(other) {
				return nil, usagef("two pairs have the same destination, or one inside the other's: %s and %s; give each its own", other.Destination(), m.Destination())
			}
		}
		all = append(all, m)
	}
	for _, m := range all {
		for _, other := range all {
			if m != other && m.DeletesFrom(other) {
				return nil, usagef("-delete at %s would delete what another pair mirrors from %s: leave out -delete, or run the pairs apart", m.Destination(), other.Source())
			}
		}
	}
	return all, nil
}
