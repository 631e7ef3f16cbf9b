package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"mom.internal/cmd/momclient/internal/termtest"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// envMain, if it is set, makes this test binary the command.
const envMain = "MOM_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(envMain) != "" {
		main()
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // so that the command does not inherit an ignored SIGHUP, as from nohup
	os.Exit(m.Run())
}

// startPTY starts the command on a terminal.
func startPTY(t *testing.T, env []string, args ...string) *termtest.Terminal {
	t.Helper()
	p := termtest.NewTerminal(t, 80, 24)
	p.Start(append(env, envMain+"=1"), args...)
	return p
}

// shownJob serves a job with a package in flight.
func shownJob(t *testing.T) (*momserver.Job, string) {
	t.Helper()
	srv, addr := serveTCP(t, momserver.Config{})
	j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site to staging", Bytes: 1000, Packages: 2})
	if err != nil {
		t.Fatal(err)
	}
	p, err := j.StartPackage(wire.PackageHeader{FileSize: 500}, wire.PackageBody{Files: 3})
	if err == nil {
		p.Item("visit/map.pdf")
		p.Received(250)
	}
	if err != nil {
		t.Fatal(err)
	}
	return j, addr
}

// completeRun lets the server run the job "site" to its end.
func completeRun(t *testing.T, srv *momserver.Server) {
	t.Helper()
	j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"})
	if err == nil {
		err = j.Complete()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWatch follows a job from its middle to its end on a terminal. The key q
// ends the monitor, and a summary stays.
func TestWatch(t *testing.T) {
	t.Parallel()
	j, addr := shownJob(t)
	p := termtest.NewTerminal(t, 80, 24)
	if _, err := p.Slave.WriteString("before\n"); err != nil {
		t.Fatal(err)
	}
	p.Start([]string{envMain + "=1"}, "-addr", addr)
	p.Shows(addr+"  connected since", "1 running", "q quit", "site to staging", "transferring", "25%", "#1/2", "50%", "visit/map.pdf")
	j.Warn("visit/map.pdf", "left out")
	j.Fail(errors.New("the disk is full"))
	p.Shows("1 failed", "failed  ", "error", "the disk is full", "warning", "left out")
	p.Type("xq")
	p.Exits(exitOK)
	p.Shows("before\nsite to staging: export failed", "  the disk is full\n", addr+": ")
}

// TestWatchEnds restores the terminal, whatever ends the command.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	for name, tc := range map[string]struct {
		end  func(*termtest.Terminal)
		code int
		says string
	}{
		"Ctrl-C":   {func(p *termtest.Terminal) { p.Type("\x03") }, exitOK, "site to staging: transferring"},
		"SIGTERM":  {func(p *termtest.Terminal) { p.Cmd.Process.Signal(syscall.SIGTERM) }, exitOK, "site to staging: transferring"},
		"SIGHUP":   {func(p *termtest.Terminal) { p.Cmd.Process.Signal(syscall.SIGHUP) }, exitOK, "site to staging: transferring"},
		"Ctrl-\\":  {func(p *termtest.Terminal) { p.Type("\x1c") }, 2, "rip "},
		"SIGABRT":  {func(p *termtest.Terminal) { p.Cmd.Process.Signal(syscall.SIGABRT) }, 2, ""},
		"Ctrl-Z q": {func(p *termtest.Terminal) { p.Type("\x1a"); p.Type("q") }, exitOK, ""}, // no shell would continue it
	} {
		t.Run(name, func(t *testing.T) {
			p := startPTY(t, nil, "-addr", addr)
			p.Shows("site to staging", "q quit")
			tc.end(p)
			p.Exits(tc.code)
			if tc.code == exitOK {
				p.Shows(tc.says)
			} else if text := p.Output(); !strings.Contains(text, "SIG") || !strings.Contains(text, "goroutine ") {
				t.Error("there is no trace of the goroutines")
			}
		})
	}
}

// TestWatchHangup ends the command when the terminal is gone.
func TestWatchHangup(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	p := startPTY(t, nil, "-addr", addr)
	p.Shows("site to staging")
	p.Hangup()
	if code := p.Wait(); code != exitOK && code != exitFailed {
		t.Errorf("%v", p.Cmd.ProcessState)
	}
}

// TestWatchResize follows the size of the terminal.
func TestWatchResize(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	p := startPTY(t, nil, "-addr", addr)
	width := func(n int) {
		t.Helper()
		p.Eventually(fmt.Sprintf("%d columns wide", n), func() bool {
			lines := strings.Split(p.Text(), "\n")
			return len(lines) > 4 && len([]rune(lines[0])) == n && strings.HasPrefix(lines[0], addr)
		})
	}
	width(80)
	p.Resize(200, 50)
	width(200)
	p.Resize(40, 10)
	width(40)
	p.Type("q")
	p.Exits(exitOK)
}

// TestWatchNoColor draws without colours.
func TestWatchNoColor(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	p := startPTY(t, []string{"NO_COLOR=1"}, "-addr", addr)
	p.Shows("site to staging")
	p.Type("q")
	p.Exits(exitOK)
	if regexp.MustCompile(`\x1b\[[0-9;]*(3|4|9|10)[0-9]m`).MatchString(p.Output()) {
		t.Errorf("colour in %q", p.Output())
	}
}

// TestWatchDumb: on a terminal that cannot move its cursor, auto is text, and
// watch is refused.
func TestWatchDumb(t *testing.T) {
	t.Parallel()
	j, addr := shownJob(t)
	p := startPTY(t, []string{"TERM=dumb"}, "-addr", addr)
	p.Shows("momclient: connected")
	j.Fail(errors.New("the disk is full"))
	p.Shows("site to staging  ExportingError", "the disk is full")
	p.Type("\x03")
	p.Exits(exitOK)
	if bytes := p.Output(); strings.Contains(bytes, "\x1b") {
		t.Errorf("a sequence in %q", bytes)
	}
	p = startPTY(t, []string{"TERM=dumb"}, "-addr", addr, "-o", "watch")
	p.Exits(exitUsage)
	p.Shows(`and TERM is "dumb`, "use -o text")
}

// TestWatchUntilEnd ends with the watched run and its exit code. Only the log
// obeys -state.
func TestWatchUntilEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		end  func(*momserver.Job) error
		code int
		says string
	}{
		{func(j *momserver.Job) error { return j.Fail(errors.New("the disk is full")) }, exitFailed, "site to staging: export failed"},
		{func(j *momserver.Job) error { return j.Close() }, exitFailed, "package 1 was left Transferring"},
	} {
		j, addr := shownJob(t)
		p := startPTY(t, nil, "-addr", addr, "-exit-when-done", "-job", "site to staging", "-state", "ExportingError")
		p.Shows("transferring", "25%")
		tc.end(j)
		p.Exits(tc.code)
		p.Shows(tc.says)
	}
	srv, addr := serveTCP(t, momserver.Config{})
	p := startPTY(t, nil, "-addr", addr, "-exit-when-done")
	p.Shows("No job yet")
	completeRun(t, srv)
	p.Exits(exitOK)
	p.Shows("site: succeeded")
}

// TestWatchEarlierRuns shows runs that ended before the monitor began, but not
// with -from now.
func TestWatchEarlierRuns(t *testing.T) {
	t.Parallel()
	srv, addr := serveTCP(t, momserver.Config{})
	completeRun(t, srv)
	p := startPTY(t, nil, "-addr", addr)
	p.Shows("1 succeeded", "site")
	p = startPTY(t, nil, "-addr", addr, "-from", "now")
	p.Shows("connected", "No job yet")
}

// TestWatchServerLost shows that the server is lost, and comes back without
// help.
func TestWatchServerLost(t *testing.T) {
	t.Parallel()
	serve := func(addr string) (*momserver.Server, string) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		srv := momserver.New(momserver.Config{})
		go srv.Serve(l)
		return srv, l.Addr().String()
	}
	srv, addr := serve("127.0.0.2:0") // no program connects from this address, so the port stays free
	if _, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"}); err != nil {
		t.Fatal(err)
	}
	p := startPTY(t, nil, "-addr", addr, "-period", "50ms")
	p.Shows("1 running")
	srv.Close()
	p.Shows("lost for", "cannot connect to")
	srv, _ = serve(addr)
	defer srv.Close()
	p.Shows("connected since", "resumed", "restarted 1")
	p.Eventually("lost or failed", func() bool { // Close may still deliver the end of the run
		text := p.Text()
		return strings.Contains(text, "1 lost") && strings.Contains(text, "the server was restarted") || strings.Contains(text, "1 failed") && strings.Contains(text, "the server closed")
	})
	p.Type("q")
	p.Exits(exitOK)
}

// TestWatchKeys uses the watch as a person would.
func TestWatchKeys(t *testing.T) {
	t.Parallel()
	srv, addr := serveTCP(t, momserver.Config{})
	job := make(map[string]*momserver.Job)
	for i := range 30 {
		name := fmt.Sprintf("office %02d", i)
		j, err := srv.StartJob(jobID(name), wire.InitializeData{Name: name, SourcePath: "/srv/" + name, DestinationPath: "/mnt/öst"})
		if err != nil {
			t.Fatal(err)
		}
		job[name] = j
	}
	p := startPTY(t, nil, "-addr", addr, "-http", "127.0.0.1:0")
	p.Shows("30 running", "page: http://127.0.0.1:", "office 00", "of 30")
	for _, part := range strings.SplitAfter("\x1b[F", "") { // in pieces
		p.Type(part)
	}
	p.Shows("office 29")
	job["office 07"].Fail(errors.New("the disk is full"))
	p.Type("\x1b[1~")
	p.Shows("1 failed", "office 07", "the disk is full")
	p.Type("\r")
	p.Shows("first error", "/srv/office 07", "RUNS", "LOG", "Esc back")
	p.Type("\x1b")
	p.Shows("Enter open", "office 01")
	p.Type("/OFFICE ")
	p.Shows("/OFFICE", "of 30")
	p.Type("\x1b[200~ÖST 1\x1b[201~\xc3")
	p.Type("\xa5q\x7f\x7f")
	p.Shows("/OFFICE ÖST 1", "1–12 of 12", "office 21")
	p.Type("\r")
	p.Shows("filter: OFFICE ÖST 1", "Esc all")
	p.Type("\x1b")
	p.Shows("of 30", "office 00")
	p.Type("\x1b[200~q\x1b[201~") // a pasted character is no command
	p.Type("p")
	p.Shows("PAUSED", "p continue")
	job["office 08"].Fail(errors.New("quota exceeded"))
	p.Type("?")
	p.Shows("KEYS", "PageUp, PageDown", "PAUSED")
	if text := p.Text(); strings.Contains(text, "2 failed") {
		t.Errorf("the picture is not paused:\n%s", text)
	}
	p.Type("?p")
	p.Shows("2 failed", "quota exceeded")
	p.Type("s")
	p.Shows("s sort: name")
	p.Type("q")
	p.Exits(exitOK)
}

// TestWatchUnknownJob lists the jobs that there are.
func TestWatchUnknownJob(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	p := startPTY(t, nil, "-addr", addr, "-job", "nosuch")
	p.Shows(`no job is named "nosuch" so far; the jobs are "site to staging"`)
	p.Type("q")
	p.Exits(exitOK)
}

// TestWatchHistory shows the runs that an earlier monitor has seen.
func TestWatchHistory(t *testing.T) {
	t.Parallel()
	srv, addr := serveTCP(t, momserver.Config{})
	file := filepath.Join(t.TempDir(), "runs")
	p := startPTY(t, nil, "-addr", addr, "-history", file, "-from", "now")
	p.Shows("connected")
	j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"})
	if err == nil {
		err = j.Fail(errors.New("the disk is full"))
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Shows("1 failed")
	p.Type("q")
	p.Exits(exitOK)
	p = startPTY(t, nil, "-addr", addr, "-history", file, "-from", "now")
	p.Shows("1 failed", "RUNS", "the disk is full")
	p.Type("\r")
	p.Shows("last failure")
	p.Type("q")
	p.Exits(exitOK)
}

// TestWatchServers shows the jobs of two servers. If one is gone, its job stays, with a
// mark.
func TestWatchServers(t *testing.T) {
	t.Parallel()
	first, addr1 := serveTCP(t, momserver.Config{})
	second, addr2 := serveTCP(t, momserver.Config{})
	for name, srv := range map[string]*momserver.Server{"north": first, "south": second} {
		if _, err := srv.StartJob(jobID(name), wire.InitializeData{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	p := startPTY(t, nil, "-addr", addr1, "-addr", addr2, "-period", "50ms")
	p.Shows("2 servers  all connected", "SERVER", "2 running", "north", "south")
	first.Close()
	p.Shows("2 servers  1 connected", addr1+"  lost for", "not up to date", "~", "north", "south")
	p.Type("/south\r\r")
	p.Shows("server        "+addr2, "Esc back")
	p.Type("q")
	p.Exits(exitOK)
	p.Shows("south: initialized")
}
