package main

import (
	"strings"

	"mom.internal/cmd/internal/help"
	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/sink"
	"mom.internal/wire"
)

// groups has the flags in the order in which -h shows them.
var groups = []help.Group{
	{Title: "Server", Flags: "addr servers callback name period token-file tls tls-ca tls-cert tls-key"},
	{Title: "Events", Flags: "job state outcome severity from cursor"},
	{Title: "Output", Flags: "o http http-host history since exit-when-done wait"},
	{Title: "Notifications", Flags: "notify notify-on notify-format stale stalled"},
	{Title: "This command", Flags: "version man completion"},
}

const notes = `
-o auto is watch on a terminal, and text elsewhere or in the background. In a
watch, the key ? shows all keys. There and on the page, -state, -outcome and
-severity filter only the log, and -from is oldest unless -exit-when-done is
given. -cursor takes precedence over -from.
Times on the screen and in text are local; those in JSON are UTC.
-exit-when-done waits for a run of each -job to end; without -job it waits for
every job that appears, until no other has appeared for a second.
A line of -servers FILE may end with token-file=, token=off, tls, tls=off,
tls-ca=, tls-cert= or tls-key=, for this server. -stale takes SERVER/JOB=TIME.
-notify posts messages to a URL, or gives them to a command, on stdin and in
MOM_* variables. -notify-on is failed,recovered,stale,lost, and stalled with
-stalled. -notify-format is given once for all, or once for each -notify. With
-cursor, the messages that wait and the state of the jobs are in FILE.state, so
that each message comes at least once, even if the monitor is killed. Without
-cursor, messages are in memory only, and are lost when the monitor ends.
`

const exitCodes = `
Exit codes: 0 ended by a signal; 1 stdout, the cursor file or -http failed;
2 wrong flags or files; 3 refused for good. With -exit-when-done: 0 all runs
succeeded; 1 a run did not; 3 the end of a run was not seen.
`

const examples = `
Examples:
  momclient -http :8420                              watch, in a browser too
  momclient -job "site to staging" -exit-when-done   wait for one job's run
  momclient -o json -from oldest -cursor mom.cursor >> events.jsonl
  momclient -cursor c -history runs -notify https://mom.example/hook -stale 26h
  momclient -o runs -history runs -since 24h         what happened last night
`

const description = `
momclient is a monitor of MoM servers. It subscribes to the events that the servers
publish about their mirroring jobs, and shows them on a screen that is kept up to date,
in a browser, or as a line of text, JSON or CloudEvents for each event. It also keeps a
history of runs, and sends messages about runs that failed and jobs that are late.

momclient prints events on stdout, and the state of the connections on stderr. If a
server is away, momclient waits for the server, and continues after the last event.
`

// manual describes the command.
func manual() *help.Command {
	var states, outcomes, kinds []string
	for _, s := range wire.States() {
		states = append(states, strings.TrimPrefix(s.String(), "Mirroring"))
	}
	for _, o := range wire.Outcomes() {
		outcomes = append(outcomes, o.String())
	}
	for _, k := range alert.Kinds() {
		kinds = append(kinds, string(k))
	}
	return &help.Command{
		Name: "momclient", Brief: "shows live what the mirroring jobs of a MoM server do", Args: "[flags]",
		Flags: flagSet(new(config)), Groups: groups,
		Values: map[string]string{
			"o": "watch text json cloudevents runs", "from": "now oldest", "severity": "processing warning error", "completion": help.Shells,
			"state": strings.Join(states, " "), "outcome": strings.Join(outcomes, " "), "notify-on": strings.Join(kinds, " "), "notify-format": strings.Join(sink.Formats(), " "),
		},
		Notes: notes, Exit: exitCodes, Examples: examples, Description: description,
		Environment: []help.Entry{
			{Name: "MOM_TOKEN", Text: "The token for the server, unless -token-file is given."},
			{Name: "TERM, NO_COLOR", Text: "What the terminal can do. If NO_COLOR is set, the screen has no colors."},
			{Name: "LC_ALL, LC_CTYPE, LANG", Text: "The screen has only ASCII if the first of these that is set does not name UTF-8."},
			{Name: "MOM_KIND, MOM_JOB, MOM_TEXT and others", Text: "A command of -notify gets the essentials of a message in these."},
		},
		Files: []help.Entry{
			{Name: "FILE of -servers", Text: "A line for each server: NAME HOST:PORT, and options."},
			{Name: "FILE of -cursor", Text: "For each server, the cursor after the last event that was printed. FILE.lock is the lock of FILE. FILE.state has the messages that wait and the state of the jobs."},
			{Name: "FILE of -history", Text: "A line of JSON for each run that has ended. At 64 MiB, FILE is renamed to FILE.1. FILE.lock is the lock of FILE."},
		},
	}
}
