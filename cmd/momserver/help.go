package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// groups says in which order -h shows the flags. A test holds it to be all of
// them.
var groups = []struct {
	title string
	flags []string
}{
	{"Runs", []string{"once", "every", "wait", "delete", "continue-on-error"}},
	{"Packages", []string{"package-files", "package-bytes", "bandwidth", "progress-interval"}},
	{"Server", []string{"addr", "token-file", "tls-cert", "tls-key", "tls-client-ca", "max-subscribers", "max-conns", "max-conns-per-addr", "cache-events", "call-timeout", "heartbeat"}},
	{"Operation", []string{"debug", "log-format", "log-level", "version"}},
}

const helpHead = `momserver mirrors directories, and tells subscribers live how it goes.

Usage: momserver [flags] [SRC DST ...]  (without paths: a sample site, slowly)

`

const helpTail = `
Exit codes: 0 all mirrored, or ended by a signal without -once; 1 with -once a
run failed, was broken off or had errors; or no server; 2 bad flags or files.

Examples:
  momserver /srv/site /mnt/staging                   mirror now and every 5 s
  momserver -once -delete SITE STAGING DOCS BACKUP   two pairs, once
  momserver -addr :7420 -token-file mom.token -debug :6060 SITE STAGING
`

// writeHelp writes every flag with its default.
func writeHelp(w io.Writer) {
	fmt.Fprint(w, helpHead)
	fs := flagSet(new(config))
	for _, g := range groups {
		fmt.Fprintf(w, "%s:\n", g.title)
		for _, name := range g.flags {
			writeFlag(w, fs.Lookup(name))
		}
	}
	fmt.Fprint(w, helpTail)
}

// writeFlag writes one flag: two columns, the default behind.
func writeFlag(w io.Writer, f *flag.Flag) {
	arg, usage := flag.UnquoteUsage(f)
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	head := strings.TrimSpace("-" + f.Name + " " + arg)
	fmt.Fprintf(w, "  %-21s %s\n", head, usage)
}
