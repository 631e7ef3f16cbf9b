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

// stage is a server in this process, in front of which a monitor shows the page.
type stage struct {
	t    *testing.T
	srv  *momserver.Server
	addr string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	srv, addr := serveHere(t, momserver.Config{})
	return &stage{t, srv, addr}
}

// monitor starts momclient with a page, and returns the page's address.
func (s *stage) monitor(args ...string) string {
	s.t.Helper()
	return pageOf(start(s.t, "momclient", append([]string{"-addr", s.addr, "-http", "127.0.0.1:0", "-o", "json", "-period", "1s"}, args...)...))
}

// pageOf returns where a monitor's page is.
func pageOf(p *process) string {
	p.t.Helper()
	return p.word("the page is at ")
}

func (s *stage) job(name string, init wire.InitializeData) *momserver.Job {
	s.t.Helper()
	init.Name = name
	j, err := s.srv.StartJob(jobID(name), init)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// lookAt opens the page's stream, and does not read it.
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
