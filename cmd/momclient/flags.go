package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"mom.internal/cmd/internal/help"
	"mom.internal/cmd/internal/pages"
	"mom.internal/cmd/internal/tlsfiles"
	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/sink"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// defaultAddr is the address of the server without -addr and -servers.
const defaultAddr = "127.0.0.1:7420"

// config has the values of the flags.
type config struct {
	addrs       []string // of -addr
	serversFile string
	servers     []server // of both flags

	output   string
	http     string
	hosts    pages.Hosts
	filter   wire.Filter
	from     wire.From
	fromSet  bool // otherwise the output determines from
	cursor   string
	untilEnd bool          // -exit-when-done
	wait     time.Duration // with untilEnd, how long a server may be away
	waitSet  bool
	callback string
	name     string
	period   time.Duration

	notify  notifyConfig
	history string
	since   time.Duration // for -o runs; 0 for all runs

	about help.About

	tokenFile              string
	tls                    bool
	tlsCA, tlsCert, tlsKey string
	badTLS                 func(error)               // receives the error of a file that has changed and cannot be used
	pairs                  map[string]*tlsfiles.Pair // by their paths
	pools                  map[string]*tlsfiles.Pool // by path
}

// usageError is an error of the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// flagSet returns the flags with their defaults, to be parsed into c.
func flagSet(c *config) *flag.FlagSet {
	fs := flag.NewFlagSet("momclient", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints errors
	fs.Usage = func() {}

	fs.Func("addr", "`HOST:PORT` of the server; may be repeated", func(addr string) error {
		c.addrs = append(c.addrs, addr)
		return nil
	})
	fs.Lookup("addr").DefValue = defaultAddr
	fs.StringVar(&c.serversFile, "servers", "", "the servers in `FILE`, a line of NAME HOST:PORT each")
	fs.StringVar(&c.callback, "callback", "", "have the server dial back to `HOST:PORT`; port 0: any")
	fs.StringVar(&c.name, "name", defaultName(), "`NAME` shown to the server's operator")
	fs.Lookup("name").DefValue = "USER@HOST/PID" // the name itself may be long
	fs.DurationVar(&c.period, "period", 5*time.Second, "longest `TIME` between checks or retries")
	fs.StringVar(&c.tokenFile, "token-file", "", "read the token from `FILE` instead of $MOM_TOKEN")
	fs.BoolVar(&c.tls, "tls", false, "use TLS; the other -tls flags imply it")
	fs.StringVar(&c.tlsCA, "tls-ca", "", "trust the CAs in `FILE` (PEM), not the system's")
	fs.StringVar(&c.tlsCert, "tls-cert", "", "present the certificate in `FILE` (PEM)")
	fs.StringVar(&c.tlsKey, "tls-key", "", "the key of the certificate, in `FILE` (PEM)")

	fs.Func("job", "`ID|NAME` show only this job; may be repeated", c.addJob)
	fs.Func("state", "`NAME,...` only these states: Transferring,JobCompleted", c.addStates)
	fs.Func("outcome", "`NAME,...` only ends of runs with these outcomes: Failed,Cancelled", c.addOutcomes)
	fs.Func("severity", "`LEVEL` show only this and above: processing, warning, error", c.setSeverity)
	fs.Func("from", "start at `PLACE`: now, or oldest for the oldest event", c.setFrom)
	fs.StringVar(&c.cursor, "cursor", "", "save the cursor in `FILE`, and resume from there")

	fs.StringVar(&c.output, "o", "auto", "`FORMAT` watch, text, json, cloudevents or runs")
	fs.StringVar(&c.http, "http", "", "serve a page on `HOST:PORT`; :PORT is on loopback")
	fs.Var(&c.hosts, pages.HostsFlag, "serve the page under `NAME` too, behind a proxy")
	fs.BoolVar(&c.untilEnd, "exit-when-done", false, "exit when the watched runs have ended")
	fs.StringVar(&c.history, "history", "", "add each run to `FILE`, for the page and -o runs")
	fs.DurationVar(&c.since, "since", 0, "-o runs prints only the runs of the last `TIME`")
	fs.Lookup("since").DefValue = ""
	fs.Func("notify", "`URL|COMMAND` gets messages; or @FILE has it; may be repeated", c.notify.add)
	fs.Func("notify-on", "`KIND,...` "+kindNames(alert.Kinds()), c.notify.addKinds)
	fs.Func("notify-format", "`FORMAT` "+strings.Join(sink.Formats(), ", "), c.notify.addFormat)
	fs.Lookup("notify-format").DefValue = "cloudevents"
	fs.Func("stale", "a job is stale after `TIME` without success; or JOB=TIME", c.notify.setStale)
	fs.Func("stalled", "a run is stalled after `TIME` without a change", c.notify.setStalled)
	c.about.AddFlags(fs)
	fs.DurationVar(&c.wait, "wait", 30*time.Second, "-exit-when-done waits `TIME` for a server")
	return fs
}

// parseFlags reads the command line, and the file of -servers. The error is one that
// Command.Answer of package help takes, the error of that file, or a usageError that
// names the flag.
func parseFlags(args []string) (*config, error) {
	c := &config{badTLS: func(error) {}, pairs: make(map[string]*tlsfiles.Pair), pools: make(map[string]*tlsfiles.Pool)}
	fs := flagSet(c)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usagef("%w%s", err, help.Wanted(fs, err))
	}
	if err := c.about.Asked(); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, usagef("unexpected argument %q", fs.Arg(0))
	}
	fs.Visit(func(f *flag.Flag) { c.waitSet = c.waitSet || f.Name == "wait" })
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, c.findServers()
}

// check refuses values that the flags accept and that make no sense, alone or
// together.
func (c *config) check() error {
	if err := c.checkOutput(); err != nil {
		return err
	}
	for _, addr := range c.addrs {
		if err := checkServerAddr("-addr", addr); err != nil {
			return err
		}
	}
	if c.http != "" {
		var err error
		if c.http, err = pages.Address("-http", c.http); err != nil {
			return usageError{err}
		}
	}
	if c.callback != "" {
		if err := checkAddr("-callback", c.callback); err != nil {
			return err
		}
	}
	switch {
	case c.period <= 0:
		return usagef("-period %v: want a time over 0", c.period)
	case c.wait <= 0:
		return usagef("-wait %v: want a time over 0", c.wait)
	case c.waitSet && !c.untilEnd:
		return usagef("-wait goes with -exit-when-done only; add that, or leave out -wait: momclient then waits for a server for ever")
	case len(c.name) > wire.MaxNameBytes:
		return usagef("-name has %d bytes; at most %d are allowed", len(c.name), wire.MaxNameBytes)
	case !utf8.ValidString(c.name):
		return usagef("-name is not UTF-8, and the server would refuse it")
	case (c.tlsCert == "") != (c.tlsKey == ""):
		return usagef("-tls-cert and -tls-key go together")
	}
	if c.history != "" && c.history == c.cursor {
		return usagef("-history and -cursor name the same file; give each its own")
	}
	if err := c.checkRuns(); err != nil {
		return err
	}
	if err := c.notify.check(len(c.filter.Jobs)+len(c.filter.Names) == 1); err != nil {
		return err
	}
	if err := c.filter.Check(); err != nil {
		return usagef("-job, -state or -outcome: %w", err)
	}
	return nil
}

func (c *config) checkOutput() error {
	switch c.output {
	case "auto", "watch", "text", "json", "cloudevents", "runs":
		return nil
	}
	return usagef("-o %q: want watch, text, json, cloudevents, runs or auto", c.output)
}

// checkRuns refuses what does not go with -o runs.
func (c *config) checkRuns() error {
	switch {
	case c.since < 0:
		return usagef("-since %v: want a time over 0", c.since)
	case c.output != "runs" && c.since > 0:
		return usagef("-since goes with -o runs only; add that, or leave out -since")
	case c.output != "runs":
		return nil
	case c.history == "":
		return usagef("-o runs needs -history FILE, from which it prints the runs")
	}
	for _, f := range []struct {
		name  string
		given bool
	}{{"-http", c.http != ""}, {"-notify", len(c.notify.to) > 0}, {"-cursor", c.cursor != ""}, {"-exit-when-done", c.untilEnd}} {
		if f.given {
			return usagef("-o runs prints the history and ends; leave out %s", f.name)
		}
	}
	return nil
}

// checkAddr checks that addr has a port, and a host, which may be empty.
func checkAddr(flag, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return usagef("%s %q: want HOST:PORT, as 127.0.0.1:7420", flag, addr)
	}
	if _, err := net.LookupPort("tcp", port); err != nil || port == "" {
		return usagef("%s %q: %q is no port", flag, addr, port)
	}
	return nil
}

// addJob adds the ID of a job, if the text is a UUID of 36 characters, or else
// the name of a job, which may be escaped. A name may have commas.
func (c *config) addJob(text string) error {
	if id, err := uuid.Parse(text); err == nil && len(text) == 36 {
		c.filter.Jobs = append(c.filter.Jobs, id)
	} else if text != "" {
		c.filter.Names = append(c.filter.Names, wire.UnescapeName(text))
	} else {
		return errors.New("want the ID or the name of a job")
	}
	return nil
}

func (c *config) addStates(text string) error {
	for _, name := range splitList(text) {
		state, err := wire.ParseState(name)
		if err != nil {
			return fmt.Errorf("no state has the name %q; the states are %s", duplex.Clip(name, 64), stateNames())
		}
		if !slices.Contains(c.filter.States, state) {
			c.filter.States = append(c.filter.States, state)
		}
	}
	if len(c.filter.States) == 0 {
		return errors.New("want the name of a state")
	}
	return nil
}

func (c *config) addOutcomes(text string) error {
	for _, name := range splitList(text) {
		outcome, err := wire.ParseOutcome(name)
		if err != nil {
			return fmt.Errorf("no outcome has the name %q; the outcomes are %s", duplex.Clip(name, 64), outcomeNames())
		}
		if !slices.Contains(c.filter.Outcomes, outcome) {
			c.filter.Outcomes = append(c.filter.Outcomes, outcome)
		}
	}
	if len(c.filter.Outcomes) == 0 {
		return errors.New("want the name of an outcome")
	}
	return nil
}

func outcomeNames() string {
	var names []string
	for _, outcome := range wire.Outcomes() {
		names = append(names, outcome.String())
	}
	return strings.Join(names, ", ")
}

// stateNames lists the states with the names that text output has for them.
func stateNames() string {
	var names []string
	for _, state := range wire.States() {
		names = append(names, strings.TrimPrefix(state.String(), "Mirroring"))
	}
	return strings.Join(names, ", ")
}

func (c *config) setSeverity(text string) error {
	severity, err := wire.ParseSeverity(text)
	if err != nil {
		return errors.New("want processing, warning or error")
	}
	c.filter.Severity = severity
	return nil
}

func (c *config) setFrom(text string) error {
	switch text {
	case "now":
		c.from = wire.FromNow
	case "oldest":
		c.from = wire.FromOldest
	default:
		return errors.New("want now or oldest")
	}
	c.fromSet = true
	return nil
}

// splitList splits at commas, and drops empty parts.
func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// defaultName returns USER@HOST/PID, with substitutes for the parts that are
// unknown.
func defaultName() string {
	user, host := os.Getenv("USER"), "localhost"
	if user == "" {
		user = "momclient"
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	name := strings.ToValidUTF8(user+"@"+host, "?")
	pid := "/" + strconv.Itoa(os.Getpid())
	return duplex.Clip(name, wire.MaxNameBytes-len(pid)-len("…")) + pid
}
