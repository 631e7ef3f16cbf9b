//go:build unix

package cmd_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/uuid"

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
	s := &stage{t: t, srv: momserver.New(momserver.Config{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go s.srv.Serve(l)
	t.Cleanup(func() { s.srv.Close() })
	return s
}

// monitor starts momclient with a page, and returns the page's address.
func (s *stage) monitor(args ...string) string {
	s.t.Helper()
	return pageOf(start(s.t, "momclient", append([]string{"-addr", s.addr, "-http", "127.0.0.1:0", "-o", "json", "-period", "1s"}, args...)...))
}

// pageOf returns where a monitor's page is.
func pageOf(p *process) string {
	p.t.Helper()
	p.says("the page is at ")
	_, rest, _ := strings.Cut(p.stderr.String(), "the page is at ")
	page, _, _ := strings.Cut(rest, "\n")
	return page
}

func (s *stage) job(name string, init wire.InitializeData) *momserver.Job {
	s.t.Helper()
	init.Name = name
	j, err := s.srv.StartJob(uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), init)
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
