package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/pty"
	"mom.internal/cmd/momclient/internal/tty"
	"mom.internal/cmd/momclient/internal/vt"
	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// ptyTest is the command on a pseudo-terminal of its own.
type ptyTest struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File
	before syscall.Termios

	mu     sync.Mutex // guards all below
	screen *vt.Screen
	bytes  bytes.Buffer
}

// newPTY opens a terminal.
func newPTY(t *testing.T, cols, rows int) *ptyTest {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	p := &ptyTest{t: t, master: master, slave: slave, screen: vt.New(cols, rows)}
	t.Cleanup(func() { master.Close(); slave.Close() })
	p.resize(cols, rows)
	p.before = p.modes()
	go p.read()
	return p
}

// read draws what comes, until the terminal is closed.
func (p *ptyTest) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.screen.Write(buf[:n])
		p.bytes.Write(buf[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *ptyTest) resize(cols, rows int) {
	p.t.Helper()
	p.mu.Lock()
	p.screen.Resize(cols, rows)
	p.mu.Unlock()
	if err := pty.Resize(p.master, cols, rows); err != nil {
		p.t.Fatal(err)
	}
}

func (p *ptyTest) modes() (m syscall.Termios) {
	if err := pty.Ioctl(p.slave, syscall.TCGETS, unsafe.Pointer(&m)); err != nil {
		p.t.Error(err)
	}
	return m
}

// startPTY starts the command on the terminal.
func startPTY(t *testing.T, cols, rows int, env []string, args ...string) *ptyTest {
	t.Helper()
	p := newPTY(t, cols, rows)
	p.start(env, args...)
	return p
}

func (p *ptyTest) start(env []string, args ...string) {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), envMain+"=1", "GORACE=atexit_sleep_ms=0", "TERM=xterm", "NO_COLOR=", "LC_ALL=C.UTF-8")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.slave, p.slave, p.slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
}

func (p *ptyTest) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.Text()
}

// shows waits until all the words are on the screen.
func (p *ptyTest) shows(words ...string) {
	p.t.Helper()
	var missing string
	defer func() {
		if p.t.Failed() {
			p.t.Logf("no %q on\n%s", missing, p.text())
		}
	}()
	eventually(p.t, "shown", func() bool {
		text := p.text()
		for _, missing = range words {
			if !strings.Contains(text, missing) {
				return false
			}
		}
		return true
	})
}

func (p *ptyTest) types(keys string) {
	p.t.Helper()
	if _, err := p.master.WriteString(keys); err != nil {
		p.t.Error(err)
	}
}

// restored wants the command to end with the code and the terminal to be as it
// was: its modes, its normal screen, a cursor.
func (p *ptyTest) restored(code int) {
	p.t.Helper()
	hung := time.AfterFunc(hangs, func() { p.cmd.Process.Kill() })
	defer hung.Stop()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || p.cmd.ProcessState.ExitCode() != code {
		p.t.Errorf("%v, want exit %d", p.cmd.ProcessState, code)
	}
	p.as()
}

// as checks that the terminal is as it was before, once no other process writes
// to it. The terminal may still hold output, so as writes a bell, which no
// other code writes, and waits until the bell has come out.
func (p *ptyTest) as() {
	p.t.Helper()
	const bell = "\a"
	if _, err := p.slave.WriteString(bell); err != nil {
		p.t.Error(err)
	}
	eventually(p.t, "all there", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return strings.Contains(p.bytes.String(), bell)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen.Alternate || p.screen.Hidden || p.screen.NoWrap || p.screen.Syncing {
		p.t.Errorf("the terminal was left with alternate screen %v, cursor hidden %v, no wrap %v, synchronized %v", p.screen.Alternate, p.screen.Hidden, p.screen.NoWrap, p.screen.Syncing)
	}
	if len(p.screen.Unknown) > 0 {
		p.t.Errorf("unknown sequences %q", p.screen.Unknown)
	}
	if m := p.modes(); m != p.before {
		p.t.Errorf("the terminal's modes are %+v; were %+v", m, p.before)
	}
}

// shownJob serves a job that is under way.
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
		err = p.Received(250)
	}
	if err != nil {
		t.Fatal(err)
	}
	return j, addr
}

// TestWatch goes with a job from its middle to its end, on a terminal; q ends
// it, and a summary stays.
func TestWatch(t *testing.T) {
	t.Parallel()
	j, addr := shownJob(t)
	p := newPTY(t, 80, 24)
	p.screen.Write([]byte("before\r\n"))
	p.start(nil, "-addr", addr)
	p.shows(addr+"  connected since", "1 running", "q quits", "site to staging", "transferring", "25%", "#1/2", "50%", "visit/map.pdf")
	p.mu.Lock()
	if !p.screen.Alternate || !p.screen.Hidden {
		t.Errorf("alternate screen %v, cursor hidden %v", p.screen.Alternate, p.screen.Hidden)
	}
	p.mu.Unlock()
	j.Warn("visit/map.pdf", "left out")
	j.Fail(errors.New("the disk is full"))
	p.shows("1 failed", "export failed"[7:], "error", "the disk is full", "warning", "left out")
	p.types("xq")
	p.restored(exitOK)
	p.shows("before\nsite to staging: export failed", "  the disk is full\n", addr+": ")
}

// TestWatchEnds puts the terminal back, whatever ends the command.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	for name, tc := range map[string]struct {
		end  func(*ptyTest)
		code int
		says string
	}{
		"Ctrl-C":   {func(p *ptyTest) { p.types("\x03") }, exitOK, "site to staging: transferring"},
		"SIGTERM":  {func(p *ptyTest) { p.cmd.Process.Signal(syscall.SIGTERM) }, exitOK, "site to staging: transferring"},
		"SIGHUP":   {func(p *ptyTest) { p.cmd.Process.Signal(syscall.SIGHUP) }, exitOK, "site to staging: transferring"},
		"Ctrl-\\":  {func(p *ptyTest) { p.types("\x1c") }, 2, "rip "},
		"SIGABRT":  {func(p *ptyTest) { p.cmd.Process.Signal(syscall.SIGABRT) }, 2, ""},
		"Ctrl-Z q": {func(p *ptyTest) { p.types("\x1a"); p.types("q") }, exitOK, ""}, // no shell would continue it
	} {
		t.Run(name, func(t *testing.T) {
			p := startPTY(t, 80, 24, nil, "-addr", addr)
			p.shows("site to staging", "q quits")
			tc.end(p)
			p.restored(tc.code)
			if tc.code == exitOK {
				p.shows(tc.says)
			} else {
				p.mu.Lock()
				defer p.mu.Unlock()
				if !strings.Contains(p.bytes.String(), "SIG") || !strings.Contains(p.bytes.String(), "goroutine ") {
					t.Error("there is no trace of the goroutines")
				}
			}
		})
	}
}

// TestWatchHangup ends when the terminal is gone.
func TestWatchHangup(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	p := startPTY(t, 80, 24, nil, "-addr", addr)
	p.shows("site to staging")
	p.slave.Close()
	p.master.Close()
	hung := time.AfterFunc(hangs, func() { p.cmd.Process.Kill() })
	defer hung.Stop()
	p.cmd.Wait()
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK && code != exitFailed {
		t.Errorf("%v", p.cmd.ProcessState)
	}
}

// TestWatchPanic crashes in a process of its own, in the goroutine that draws
// or in a handler: the terminal is put back before the trace is written.
func TestWatchPanic(t *testing.T) {
	const child = "MOM_TEST_PANIC"
	if where := os.Getenv(child); where != "" {
		w := newWatcher(tty.Open(os.Stdin, os.Stdout), board.New(board.Options{}), new(config), noEnv)
		w.screen.loc = nil // time.In panics
		if where == "handler" {
			w.screen.loc = time.UTC
		}
		w.start(t.Context(), func(error) {})
		if where == "handler" {
			w.crash(&momclient.PanicError{Value: "of a handler", Stack: []byte("its stack")})
		}
		select {}
	}
	t.Parallel()
	for where, says := range map[string]string{"drawing": "panic: time: missing Location", "handler": "handler panicked: of a handler"} {
		p := newPTY(t, 80, 24)
		p.start([]string{envMain + "=", child + "=" + where}, "-test.run=^TestWatchPanic$")
		p.restored(2)
		bytes := p.bytes.String()
		entered, left, trace := strings.Index(bytes, enterScreen), strings.Index(bytes, leaveScreen), strings.Index(bytes, says)
		if entered < 0 || left < entered || trace < left {
			t.Errorf("%s: entered at %d, left at %d, trace at %d of %q", where, entered, left, trace, bytes)
		}
	}
}

// TestWatchResize follows the window.
func TestWatchResize(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	p := startPTY(t, 80, 24, nil, "-addr", addr)
	width := func(n int) {
		t.Helper()
		eventually(t, "as wide", func() bool {
			lines := strings.Split(p.text(), "\n")
			return len(lines) > 4 && len([]rune(lines[1])) == n && strings.HasPrefix(lines[0], addr)
		})
	}
	width(80)
	p.resize(200, 50)
	width(200)
	p.resize(40, 10)
	width(40)
	p.types("q")
	p.restored(exitOK)
}

// TestWatchNoColor draws without colour.
func TestWatchNoColor(t *testing.T) {
	t.Parallel()
	_, addr := shownJob(t)
	p := startPTY(t, 80, 24, []string{"NO_COLOR=1"}, "-addr", addr)
	p.shows("site to staging")
	p.types("q")
	p.restored(exitOK)
	if colors.MatchString(p.bytes.String()) {
		t.Errorf("colour in %q", p.bytes.String())
	}
}

// TestWatchDumb: auto is text, and watch refused, where the cursor cannot be
// moved.
func TestWatchDumb(t *testing.T) {
	t.Parallel()
	j, addr := shownJob(t)
	p := startPTY(t, 80, 24, []string{"TERM=dumb"}, "-addr", addr)
	p.shows("momclient: connected")
	j.Fail(errors.New("the disk is full"))
	p.shows("site to staging  ExportingError", "the disk is full")
	p.types("\x03")
	p.restored(exitOK)
	if bytes := p.bytes.String(); strings.Contains(bytes, "\x1b") {
		t.Errorf("a sequence in %q", bytes)
	}
	p = startPTY(t, 80, 24, []string{"TERM=dumb"}, "-addr", addr, "-o", "watch")
	p.restored(exitUsage)
	p.shows(`and TERM is "dumb`, "use -o text")
}

// TestWatchUntilEnd ends with the watched run, with its code, and shows what
// -state says only in the log.
func TestWatchUntilEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		end  func(*momserver.Job) error
		code int
		says string
	}{
		{func(j *momserver.Job) error { return j.Fail(errors.New("the disk is full")) }, exitFailed, "site to staging: export failed"},
		{func(j *momserver.Job) error { return j.Close() }, exitFailed, "without ending it"},
	} {
		j, addr := shownJob(t)
		p := startPTY(t, 80, 24, nil, "-addr", addr, "-exit-when-done", "-job", "site to staging", "-state", "ExportingError")
		p.shows("transferring", "25%")
		tc.end(j)
		p.restored(tc.code)
		p.shows(tc.says)
	}
	srv, addr := serveTCP(t, momserver.Config{})
	p := startPTY(t, 80, 24, nil, "-addr", addr, "-exit-when-done")
	p.shows("No job yet")
	runs(t, srv, 1)
	p.restored(exitOK)
	p.shows("site: completed")
}

// TestWatchEarlierRuns shows what ended before the monitor began; with
// -from now it does not.
func TestWatchEarlierRuns(t *testing.T) {
	t.Parallel()
	srv, addr := serveTCP(t, momserver.Config{})
	runs(t, srv, 1)
	p := startPTY(t, 80, 24, nil, "-addr", addr)
	p.shows("1 completed", "site")
	p = startPTY(t, 80, 24, nil, "-addr", addr, "-from", "now")
	p.shows("connected", "No job yet")
}

// TestWatchServerLost says so, and comes back by itself.
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
	srv, addr := serve("127.0.0.2:0") // from where nobody connects, so that the port stays free
	if _, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"}); err != nil {
		t.Fatal(err)
	}
	p := startPTY(t, 80, 24, nil, "-addr", addr, "-period", "50ms")
	p.shows("1 running")
	srv.Close()
	p.shows("lost for", "cannot connect to")
	srv, _ = serve(addr)
	defer srv.Close()
	p.shows("connected since", "resumed 1", "restarted 1", "1 lost", "the run's end was not seen")
	p.types("q")
	p.restored(exitOK)
}

// TestWatchFrames: however many events come, no more than some ten frames a
// second are drawn, each by one write.
func TestWatchFrames(t *testing.T) {
	p := newPTY(t, 80, 24)
	b := board.New(board.Options{})
	w := newWatcher(tty.Open(nil, p.slave), b, new(config), noEnv)
	ctx, cancel := context.WithCancel(t.Context())
	begin := time.Now()
	w.start(ctx, func(err error) { t.Error(err) })
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := uint64(1); n <= 6000; n++ {
		b.Event(event(n, wire.Transferring, func(e *wire.Event) { e.Data.Body.Item = fmt.Sprint("file ", n) }))
		if n%20 == 0 {
			<-tick.C
		}
	}
	cancel()
	w.stop()
	most := 2 + int(time.Since(begin)/(100*time.Millisecond))
	p.as()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := strings.Count(p.bytes.String(), beginFrame); n > most || n == 0 {
		t.Errorf("%d frames in %v", n, time.Since(begin))
	}
}
