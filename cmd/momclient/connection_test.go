package main

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// otherAddr is the address of a second server on the network in memory.
const otherAddr = "other:7420"

// complete publishes a whole run of the job on a server.
func complete(t *testing.T, srv *momserver.Server, job string) {
	t.Helper()
	if err := startOn(t, srv, wire.InitializeData{Name: job}).Complete(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// TestSeveralServers shows the events of all servers in one stream, each with the name
// of its server. A server that is down, refuses the monitor or is restarted does not
// disturb the others.
func TestSeveralServers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "servers")
	write(t, file+".token", "sesame")
	write(t, file, "other "+otherAddr+"\ndown down:7420\nclosed closed:7420 token-file=servers.token\n")
	inBubble(t, func(s *testPair) {
		other := s.another(otherAddr, momserver.Config{})
		s.another("closed:7420", momserver.Config{Token: "right"})
		s.watch("-servers", file)
		complete(t, s.srv, "site")
		complete(t, other, "site")
		s.serve(momserver.Config{}) // cuts all connections
		time.Sleep(10 * time.Second)
		complete(t, s.srv, "site")
		complete(t, other, "docs")
		s.running()
		s.cancel()
		s.exits(exitOK, 0, "mem:7420: connected mem:7420", "other: connected other:7420", "down: waiting for down:7420, and trying again", "closed: closed:7420 refused the connection", "other: resumed")
		var got []string
		for line := range strings.Lines(s.stdout.String()) {
			if words := strings.Fields(line); words[0] == "---" {
				got = append(got, strings.Join(words[:6], " "))
			} else {
				got = append(got, strings.Join(words[2:6], " "))
			}
		}
		want := []string{
			"1 mem:7420 site JobInitialized", "2 mem:7420 site JobCompleted", "1 other site JobInitialized", "2 other site JobCompleted",
			"--- the server mem:7420 was restarted:", "1 mem:7420 site JobInitialized", "2 mem:7420 site JobCompleted", "3 other docs JobInitialized", "4 other docs JobCompleted",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\n%s", strings.Join(got, "\n"), &s.stdout)
		}
		if text := s.stderr.String(); strings.Count(text, "closed:") != 2 || strings.Contains(text, "sesame") {
			t.Errorf("stderr %s", text)
		}
	})
}

// TestServerInJSON has the name of the server in each line of JSON and CloudEvents, if
// there are several.
func TestServerInJSON(t *testing.T) {
	for format, source := range map[string]string{"json": "", "cloudevents": "mom://other:7420/" + jobID("site").String()} {
		inBubble(t, func(s *testPair) {
			other := s.another(otherAddr, momserver.Config{})
			s.watch("-addr", otherAddr, "-o", format)
			complete(t, other, "site")
			s.cancel()
			s.exits(exitOK, 0)
			for line := range strings.Lines(s.stdout.String()) {
				var e struct {
					Server, Source string
					Data           struct{ Server string }
				}
				if err := json.Unmarshal([]byte(line), &e); err != nil || e.Server != otherAddr || e.Source != source || format == "cloudevents" && e.Data.Server != otherAddr {
					t.Errorf("%v %s", err, line)
				}
			}
			if n := strings.Count(s.stdout.String(), "\n"); n != 2 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// TestAllRefused exits with 3 once every server has refused the monitor, and says why
// for each.
func TestAllRefused(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.serve(momserver.Config{Token: "a"})
		s.another(otherAddr, momserver.Config{Token: "b"})
		s.watch("-addr", otherAddr)
		s.exits(exitLost, 0, "momclient: mem:7420: mem:7420 refused the connection", "momclient: other:7420: other:7420 refused the connection", "momclient: no server is left")
		if n := strings.Count(s.stderr.String(), "\n"); n != 3 {
			t.Errorf("stderr %s", &s.stderr)
		}
	})
}

// TestDoneSeveralServers waits for the runs of all servers, and for a named job on the
// server that has it. It exits with 3 for a server that was not there, but not before
// the runs of the others have ended.
func TestDoneSeveralServers(t *testing.T) {
	inBubble(t, func(s *testPair) {
		other := s.another(otherAddr, momserver.Config{})
		s.watch("-addr", otherAddr, "-exit-when-done")
		first, second := s.start("site"), startOn(t, other, wire.InitializeData{Name: "site"})
		first.Complete()
		time.Sleep(time.Hour)
		s.running()
		second.Complete()
		s.exits(exitOK, quiet)
	})
	inBubble(t, func(s *testPair) {
		other := s.another(otherAddr, momserver.Config{})
		s.watch("-addr", otherAddr, "-exit-when-done", "-job", "docs")
		complete(t, s.srv, "site")
		time.Sleep(time.Hour)
		s.running()
		startOn(t, other, wire.InitializeData{Name: "docs"}).Fail(errors.New("bad"))
		s.exits(exitFailed, quiet, `momclient: no job is named "docs" so far; there are no jobs yet`)
	})
	inBubble(t, func(s *testPair) {
		s.watch("-addr", otherAddr, "-exit-when-done", "-wait", "7s")
		j := s.start("site")
		time.Sleep(time.Hour)
		s.running()
		j.Complete()
		s.exits(exitLost, quiet, "momclient: other:7420: no connection within 7s (-wait): cannot connect to other:7420")
	})
	inBubble(t, func(s *testPair) {
		s.another(otherAddr, momserver.Config{Token: "sesame"})
		s.watch("-addr", otherAddr, "-exit-when-done")
		j := s.start("site")
		time.Sleep(time.Hour)
		s.running()
		j.Complete()
		s.exits(exitLost, quiet, "momclient: other:7420: other:7420 refused the connection")
	})
	inBubble(t, func(s *testPair) { // the second server starts only after the runs of the first have ended
		s.watch("-addr", otherAddr, "-exit-when-done", "-wait", "7s")
		complete(t, s.srv, "site")
		other := s.another(otherAddr, momserver.Config{})
		j := startOn(t, other, wire.InitializeData{Name: "site"})
		time.Sleep(time.Minute)
		s.running()
		j.Complete()
		s.exits(exitOK, quiet)
	})
}

// blocking is a stdout that takes nothing until it is released.
type blocking struct {
	*buffer
	release chan struct{}
}

func (b blocking) Write(p []byte) (int, error) {
	<-b.release
	return b.buffer.Write(p)
}

// TestSeveralCursors continues at the cursor of each server after a restart, even if an
// event of one server waited for an event of another to be shown when the monitor ended.
func TestSeveralCursors(t *testing.T) {
	for _, recorded := range []bool{false, true} {
		dir := t.TempDir()
		args := []string{"-addr", otherAddr, "-o", "json", "-cursor", filepath.Join(dir, "cursor")}
		if recorded {
			args = append(args, "-history", filepath.Join(dir, "history"))
		}
		inBubble(t, func(s *testPair) {
			other := s.another(otherAddr, momserver.Config{})
			s.watch(args...)
			complete(t, s.srv, "site")
			complete(t, other, "site")
			time.Sleep(2 * time.Second)
			s.cancel()
			s.exitsBy(exitOK, time.Minute)
			complete(t, other, "docs")
			full := blocking{&s.stdout, make(chan struct{})}
			s.watchTo(full, args...)
			complete(t, s.srv, "docs")
			s.cancel()
			synctest.Wait()
			close(full.release)
			s.exitsBy(exitOK, time.Minute)
			shown := strings.Count(s.stdout.String(), "\n")
			if shown != 5 {
				t.Errorf("%d lines: the test shows nothing", shown)
			}
			s.watch(args...)
			s.cancel()
			s.exitsBy(exitOK, time.Minute)
			for _, server := range []string{memAddr, otherAddr} {
				for _, job := range []string{"site", "docs"} {
					n := 0
					for line := range strings.Lines(s.stdout.String()) {
						if strings.Contains(line, `"server":"`+server+`"`) && strings.Contains(line, jobID(job).String()) {
							n++
						}
					}
					if n != 2 {
						t.Errorf("recorded %v: %d events of %s on %s\n%s", recorded, n, job, server, &s.stdout)
					}
				}
			}
			if recorded {
				lines := strings.Split(strings.TrimSpace(read(t, filepath.Join(dir, "history"))), "\n")
				if len(lines) != 4 {
					t.Errorf("the history has %d lines", len(lines))
				}
				code, out, _ := command(t, "-o", "runs", "-history", filepath.Join(dir, "history"))
				if code != exitOK || strings.Count(out, memAddr+"    site") != 1 || strings.Count(out, otherAddr+"  docs") != 1 {
					t.Errorf("exit %d\n%s", code, out)
				}
			}
		})
	}
}

// TestCursorAbsent says on stderr that a server begins at its next event, because the
// cursor file has cursors of other servers only: the server may have been renamed.
func TestCursorAbsent(t *testing.T) {
	cursor := strings.TrimSpace(cursorLine(wire.Cursor{Epoch: jobID("epoch"), Seq: 9}))
	for name, tc := range map[string]struct {
		file, args string
		says       bool
	}{
		"another server's": {cursor + " site\n", "", true},
		"from the oldest":  {cursor + " site\n", "-from oldest", false},
		"its own":          {cursor + " " + memAddr + "\n", "", false},
		"not known yet":    {"--------------------------------------------------------- " + memAddr + "\n", "", false},
		"of one server":    {cursor + "\n", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cursor")
			write(t, path, tc.file)
			var stderr strings.Builder
			m, err := newMonitor(append([]string{"-addr", memAddr, "-o", "json", "-cursor", path}, strings.Fields(tc.args)...), noEnv, io.Discard, &stderr)
			if err != nil {
				t.Fatal(err)
			}
			m.cursor.Close()
			want := ""
			if tc.says {
				want = "momclient: " + path + " has no cursor of " + memAddr + ", which begins at its next event\n"
			}
			if stderr.String() != want {
				t.Errorf("stderr has %q, want %q", stderr.String(), want)
			}
		})
	}
}
