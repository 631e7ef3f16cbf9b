package main

import (
	"mom.internal/cmd/internal/help"
)

// groups has the flags in the order in which -h shows them.
var groups = []help.Group{
	{Title: "Runs", Flags: "once every report-idle dry-run wait continue-on-error"},
	{Title: "Files", Flags: "delete max-delete exclude exclude-from checksum"},
	{Title: "Packages", Flags: "package-files package-bytes spool bandwidth progress-interval"},
	{Title: "Server", Flags: "addr token-file tls-cert tls-key tls-client-ca max-subscribers max-conns max-conns-per-addr cache-events call-timeout heartbeat"},
	{Title: "Operation", Flags: "debug http-host log-format log-level"},
	{Title: "This command", Flags: "version man completion"},
}

const exitCodes = `
Exit codes: 0 everything was mirrored, or ended by a signal without -once; 1
the server failed, or with -once a run failed, stopped or had errors; 2 wrong
flags or files.
`

const examples = `
Examples:
  momserver /srv/site /mnt/staging                   mirror now and every 5 s
  momserver -once -delete SITE STAGING DOCS BACKUP   two pairs, once
  momserver -exclude '*.tmp' -exclude /cache/ SITE STAGING
  momserver -addr :7420 -token-file mom.token -debug :6060 SITE STAGING
`

const description = `
momserver mirrors each pair SRC DST of directories: it compares them, groups the changed
files into packages, and transfers each package. It repeats that until a signal ends it.
To all clients that subscribe, momserver publishes an event about each change of state of
a job or of a package. momclient is such a client.

DST holds only complete files, old or new, even if momserver is killed. Without paths,
momserver mirrors a sample site into a temporary directory, slowly enough to be watched.

The signals SIGINT and SIGTERM make momserver end after the subscribers have received
the latest events, for which they have ten seconds. A second signal ends it at once.
`

// manual describes the command.
func manual() *help.Command {
	return &help.Command{
		Name: "momserver", Brief: "mirrors directories, and publishes live events about that",
		Args: "[flags] [SRC DST ...]", Note: "(without paths: a sample site, slowly)", Paths: true,
		Flags: flagSet(new(config)), Groups: groups,
		Values: map[string]string{"log-format": "text json", "log-level": "debug info warn error", "completion": help.Shells},
		Exit:   exitCodes, Examples: examples, Description: description,
		Environment: []help.Entry{
			{Name: "MOM_TOKEN", Text: "The token that clients must have, unless -token-file is given."},
			{Name: "STATE_DIRECTORY", Text: "The directory for what momserver remembers between its runs. systemd sets it."},
			{Name: "XDG_CACHE_HOME", Text: "Without STATE_DIRECTORY, the directory momserver in this one is used, or ~/.cache/momserver."},
			{Name: "NOTIFY_SOCKET", Text: "The socket of systemd, to which momserver reports that it is ready and that it stops."},
			{Name: "TMPDIR", Text: "The directory for the sample site and its mirror."},
		},
		Files: []help.Entry{
			{Name: "DST/.momspool-UUID", Text: "The temporary directory in which packages arrive, unless -spool names another place."},
			{Name: "DST/.momspool-lock", Text: "The lock that keeps two runs from working at the same time on one destination."},
		},
	}
}
