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
	{"Server", []string{"addr", "callback", "name", "period", "token-file", "tls", "tls-ca", "tls-cert", "tls-key"}},
	{"Events", []string{"job", "state", "severity", "from", "cursor"}},
	{"Output", []string{"o", "http", "exit-when-done", "wait"}},
}

const helpTail = `
Exit codes: 0 ended by Ctrl-C or SIGTERM; 1 stdout or the cursor file could not
be written, or -http served; 2 bad flags or files; 3 refused for good.
With -exit-when-done: 0 the watched runs completed; 1 one completed with errors
or failed; 3 no end was seen: the server could not be reached or was lost, or
the monitor was interrupted, or nobody read its stdout.

Examples:
  momclient -http :8420                              watch, in a browser too
  momclient -job "site to staging" -exit-when-done   wait for one job's run
  momclient -o json -from oldest -cursor mom.cursor >> events.jsonl
`

// writeHelp writes every flag with its default.
func writeHelp(w io.Writer) {
	fmt.Fprint(w, "momclient shows what the mirroring jobs of a MoM server do, live.\n\nUsage: momclient [flags]\n")
	fs := flagSet(new(config))
	for _, g := range groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, name := range g.flags {
			writeFlag(w, fs.Lookup(name))
		}
	}
	fmt.Fprint(w, helpTail)
}

// The columns of -h.
const (
	helpIndent = 24
	helpWidth  = 79
)

// writeFlag writes one flag: two columns, the default behind.
func writeFlag(w io.Writer, f *flag.Flag) {
	arg, usage := flag.UnquoteUsage(f)
	if f.DefValue != "" && f.DefValue != "false" {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	line := fmt.Sprintf("  %-21s", strings.TrimSpace("-"+f.Name+" "+arg))
	for _, word := range strings.Fields(usage) {
		if len(line)+1+len(word) > helpWidth {
			fmt.Fprintln(w, line)
			line = strings.Repeat(" ", helpIndent-1)
		}
		line += " " + word
	}
	fmt.Fprintln(w, line)
}
