package main

import (
	"fmt"
	"io"

	"mom.internal/cmd/internal/help"
)

// groups has the flags in the order in which -h shows them.
var groups = []help.Group{
	{Title: "Server", Flags: "addr callback name period token-file tls tls-ca tls-cert tls-key"},
	{Title: "Events", Flags: "job state severity from cursor"},
	{Title: "Output", Flags: "o http exit-when-done wait version"},
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

func writeHelp(w io.Writer) {
	fmt.Fprint(w, helpHead)
	help.Write(w, flagSet(new(config)), groups)
	fmt.Fprint(w, helpTail)
}
