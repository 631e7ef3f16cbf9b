package main

import (
	"fmt"
	"io"

	"mom.internal/cmd/internal/help"
)

// groups has the flags in the order in which -h shows them.
var groups = []help.Group{
	{Title: "Server", Flags: "addr callback name period token-file tls tls-ca tls-cert tls-key"},
	{Title: "Events", Flags: "job state outcome severity from cursor"},
	{Title: "Output", Flags: "o http exit-when-done wait version"},
}

const helpHead = `momclient shows live what the mirroring jobs of a MoM server do.

Usage: momclient [flags]

`

const helpTail = `
-o auto is watch on a terminal, and text elsewhere or in the background. In a
watch and on the page, -state, -outcome and -severity filter only the log, and
-from is oldest unless -exit-when-done is given. -cursor precedes -from.
-exit-when-done waits for a run of each -job to end; without -job it waits for
every job that appears, until no other has appeared for a second.

Exit codes: 0 ended by a signal; 1 stdout, the cursor file or -http failed;
2 wrong flags or files; 3 refused for good. With -exit-when-done: 0 all runs
succeeded; 1 a run did not; 3 the end of a run was not seen.

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
