//go:build unix

package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// pageServer is a server in this process, whose jobs a monitor shows on a page.
type pageServer struct {
	t    *testing.T
	srv  *momserver.Server
	addr string
}

func newPageServer(t *testing.T) *pageServer {
	t.Helper()
	srv, addr := serveHere(t, momserver.Config{})
	return &pageServer{t, srv, addr}
}

// monitor starts momclient with a page, and returns the URL of the page.
func (s *pageServer) monitor(args ...string) string {
	s.t.Helper()
	return pageOf(start(s.t, "momclient", append([]string{"-addr", s.addr, "-http", "127.0.0.1:0", "-o", "json", "-period", "1s"}, args...)...))
}

// pageOf returns the URL of a monitor's page.
func pageOf(p *process) string {
	p.t.Helper()
	return p.word("the page is at ")
}

func (s *pageServer) job(name string, init wire.InitializeData) *momserver.Job {
	s.t.Helper()
	init.Name = name
	j, err := s.srv.StartJob(jobID(name), init)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// lookAt opens the stream of the page, and does not read it.
func lookAt(t *testing.T, page string) {
	t.Helper()
	addr := strings.TrimSuffix(strings.TrimPrefix(page, "http://"), "/")
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if _, err := fmt.Fprintf(nc, "GET /api/live HTTP/1.1\r\nHost: %s\r\n\r\n", addr); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}
