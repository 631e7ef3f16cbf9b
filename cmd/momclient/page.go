package main

import (
	"fmt"
	"io"
	"log"

	"mom.internal/cmd/internal/pages"
	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/web"
)

// startPage begins to serve the page of the boards, if -http asks for it, and prints its
// address on stderr. Otherwise it returns nil and nil.
func (c *config) startPage(boards []*board.Board, past *recording, stderr io.Writer) (*web.Server, *pages.Server, error) {
	if c.http == "" {
		return nil, nil, nil
	}
	page := web.New(web.Options{Boards: boards, JSON: output.JSON, Runs: past.runs, Receivers: past.notifier.Status, Unfinished: past.unfinished})
	server, err := pages.Start("-http", c.http, c.hosts, page, log.New(io.Discard, "", 0), func(err error) { // errorLog discards the errors of browsers
		fmt.Fprintf(stderr, "momclient: the page ended: %v\n", err)
	})
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(stderr, "momclient: the page is at %s\n", server.URL())
	if server.BeyondLoopback() {
		fmt.Fprintln(stderr, "momclient: warning: other machines can reach the page, which shows all jobs and their logs; -http 127.0.0.1:PORT keeps it on this machine")
	}
	return page, server, nil
}
