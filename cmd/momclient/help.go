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
	{"Output", []string{"o", "http", "exit-when-done", "wait", "version"}},
}

const helpHead = `momclient shows what the mirroring jobs of a MoM server do, live.

Usage: momclient [flags]

`

const helpTail = `
-o auto is a watch on a terminal, but text in the background or elsewhere. By
-state and -severity a watch and the page filter their log alone. -from is now;
oldest for these two, but not with -exit-when-done; -cursor goes before it.
-exit-when-done waits for the end of a run of each job of -job; without -job,
of each job that appears, until no other has appeared for a second.

Exit codes: 0 ended by a signal; 1 stdout, the cursor file or -http failed;
2 bad flags, or their files; 3 refused for good. With -exit-when-done: 0 the
runs completed; 1 a run failed or had errors; 3 the end of a run was not seen.

Examples:
  momclient -http :8420                              watch, in a browser too
  momclient -job "site to staging" -exit-when-done   wait for one job's run
  momclient -o json -from oldest -cursor mom.cursor >> events.jsonl
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

// writeFlag writes one flag: two columns, the default behind. A usage begins
// with the placeholder, which stands in the first column alone.
func writeFlag(w io.Writer, f *flag.Flag) {
	arg, usage := flag.UnquoteUsage(f)
	usage = strings.TrimSpace(strings.TrimPrefix(usage, arg))
	if f.DefValue != "" && f.DefValue != "false" {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	head := strings.TrimSpace("-" + f.Name + " " + arg)
	fmt.Fprintf(w, "  %-21s %s\n", head, usage)
}
