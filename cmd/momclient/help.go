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
	{Title: "Output", Flags: "o http http-host history since exit-when-done wait version"},
	{Title: "Notifications", Flags: "notify notify-on notify-format stale stalled"},
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
-notify posts messages to a URL, or gives them to a command, on stdin and in
MOM_* variables. -notify-on is failed,recovered,stale,lost, and stalled with
-stalled. -notify-format is given once for all, or once for each -notify. With
-cursor, the messages that nobody has taken yet, and how the jobs stand, are in
FILE.state: each message comes at least once, even if the monitor is killed.
Without -cursor they are in memory only, and the end of the monitor loses them.

Exit codes: 0 ended by a signal; 1 stdout, the cursor file or -http failed;
2 wrong flags or files; 3 refused for good. With -exit-when-done: 0 all runs
succeeded; 1 a run did not; 3 the end of a run was not seen.

Examples:
  momclient -http :8420                              watch, in a browser too
  momclient -job "site to staging" -exit-when-done   wait for one job's run
  momclient -o json -from oldest -cursor mom.cursor >> events.jsonl
  momclient -cursor c -history runs -notify https://mom.example/hook -stale 26h
  momclient -o runs -history runs -since 24h         what happened last night
`

func writeHelp(w io.Writer) {
	fmt.Fprint(w, helpHead)
	help.Write(w, flagSet(new(config)), groups)
	fmt.Fprint(w, helpTail)
}
