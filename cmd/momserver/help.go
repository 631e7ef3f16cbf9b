package main

import (
	"fmt"
	"io"

	"mom.internal/cmd/internal/help"
)

// groups has the flags in the order in which -h shows them.
var groups = []help.Group{
	{Title: "Runs", Flags: "once every report-idle dry-run wait continue-on-error"},
	{Title: "Files", Flags: "delete max-delete exclude exclude-from checksum"},
	{Title: "Packages", Flags: "package-files package-bytes spool bandwidth progress-interval"},
	{Title: "Server", Flags: "addr token-file tls-cert tls-key tls-client-ca max-subscribers max-conns max-conns-per-addr cache-events call-timeout heartbeat"},
	{Title: "Operation", Flags: "debug http-host log-format log-level version"},
}

const helpHead = `momserver mirrors directories, and publishes live events about that.

Usage: momserver [flags] [SRC DST ...]  (without paths: a sample site, slowly)

`

const helpTail = `
Exit codes: 0 everything was mirrored, or ended by a signal without -once; 1
the server failed, or with -once a run failed, stopped or had errors; 2 wrong
flags or files.

Examples:
  momserver /srv/site /mnt/staging                   mirror now and every 5 s
  momserver -once -delete SITE STAGING DOCS BACKUP   two pairs, once
  momserver -exclude '*.tmp' -exclude /cache/ SITE STAGING
  momserver -addr :7420 -token-file mom.token -debug :6060 SITE STAGING
`

func writeHelp(w io.Writer) {
	fmt.Fprint(w, helpHead)
	help.Write(w, flagSet(new(config)), groups)
	fmt.Fprint(w, helpTail)
}
