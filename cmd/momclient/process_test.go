//go:build unix

package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// envMain makes this test binary the command.
const envMain = "MOM_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(envMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is the command in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr buffer
}

// hangs is the time after which a test counts as hanging. It is long, because
// the machine may be busy.
const hangs = 2 * time.Minute

// launch starts the command with stdout.
func launch(t *testing.T, addr string, stdout *os.File, args ...string) *process {
	t.Helper()
	p := &process{t: t}
	p.cmd = exec.Command(os.Args[0], append([]string{"-addr", addr}, args...)...)
	p.cmd.Env = append(os.Environ(), envMain+"=1", "GORACE=atexit_sleep_ms=0") // else it sleeps a second at the end
	p.cmd.Stdout, p.cmd.Stderr = stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	return p
}

// start launches the command, and waits until it has subscribed. For a command
// that may end before it reports its subscription, use launch.
func start(t *testing.T, addr string, stdout *os.File, args ...string) *process {
	t.Helper()
	p := launch(t, addr, stdout, args...)
	eventually(t, "subscribed", func() bool { return p.said("connected") })
	return p
}

func (p *process) said(text string) bool { return strings.Contains(p.stderr.String(), text) }

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

// exits wants the exit code, and the words on stderr.
func (p *process) exits(code int, words ...string) {
	p.t.Helper()
	hung := time.AfterFunc(hangs, func() { p.cmd.Process.Kill() })
	defer hung.Stop()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || p.cmd.ProcessState.ExitCode() != code {
		p.t.Errorf("%v, want exit %d\n%s", p.cmd.ProcessState, code, &p.stderr)
	}
	for _, w := range words {
		if !p.said(w) {
			p.t.Errorf("no %q in %q", w, p.stderr.String())
		}
	}
}

// eventually waits until a condition holds, with a deadline for a test that
// hangs.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(hangs)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not %s after %v", what, hangs)
		}
	}
}

// runs has the server run the job "site" to its end, n times.
func runs(t *testing.T, srv *momserver.Server, n int) {
	t.Helper()
	for range n {
		j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"})
		if err == nil {
			err = j.Complete()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// pipe returns a stdout and its reader.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestSignals ends well by each signal, and has shown all it got.
func TestSignals(t *testing.T) {
	srv, addr := serveTCP(t, momserver.Config{})
	for _, tc := range []struct {
		signal syscall.Signal
		args   []string
		code   int
		says   string
	}{
		{syscall.SIGINT, nil, exitOK, "connected"},
		{syscall.SIGTERM, nil, exitOK, "connected"},
		{syscall.SIGHUP, nil, exitOK, "connected"},
		{syscall.SIGINT, []string{"-exit-when-done", "-job", "none"}, exitLost, "interrupted before the watched runs ended"},
	} {
		r, w := pipe(t)
		p := start(t, addr, w, append(tc.args, "-cursor", filepath.Join(t.TempDir(), "cursor"))...)
		w.Close()
		if tc.args == nil {
			runs(t, srv, 1)
			lines := bufio.NewReader(r)
			for range 2 {
				if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "site") {
					t.Errorf("%q %v", line, err)
				}
			}
		}
		p.signal(tc.signal)
		p.exits(tc.code, tc.says)
	}
}

// TestReaderGone ends when nobody reads stdout any more: on Linux at once,
// elsewhere with the next event.
func TestReaderGone(t *testing.T) {
	srv, addr := serveTCP(t, momserver.Config{})
	for _, tc := range []struct {
		args []string
		code int
	}{{nil, exitOK}, {[]string{"-exit-when-done", "-job", "none"}, exitLost}} {
		r, w := pipe(t)
		p := start(t, addr, w, tc.args...)
		w.Close()
		r.Close()
		if runtime.GOOS != "linux" {
			runs(t, srv, 1)
		}
		p.exits(tc.code)
		if n := strings.Count(p.stderr.String(), "\n"); tc.args == nil && n != 1 {
			t.Errorf("stderr %s", &p.stderr)
		}
	}
}

// TestReaderGoneWrite ends well at a write that nobody can read, where it is
// not known before.
func TestReaderGoneWrite(t *testing.T) {
	srv, addr := serveTCP(t, momserver.Config{})
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Skip(err)
	}
	syscall.CloseOnExec(ends[1])
	stdout := os.NewFile(uintptr(ends[0]), "stdout")
	p := start(t, addr, stdout)
	stdout.Close()
	syscall.Close(ends[1])
	runs(t, srv, 1)
	p.exits(exitOK)
}

// TestStdoutFull exits 1 and does not move the cursor past what was not
// written.
func TestStdoutFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	srv, addr := serveTCP(t, momserver.Config{})
	runs(t, srv, 2)
	path := filepath.Join(t.TempDir(), "cursor")
	kept := cursorLine(wire.Cursor{Epoch: srv.Epoch(), Seq: 1})
	write(t, path, kept)
	p := launch(t, addr, full, "-cursor", path)
	p.exits(exitFailed, "no space left on device")
	if got := read(t, path); got != kept {
		t.Errorf("the cursor is %q", got)
	}
	p = launch(t, addr, full, "-from", "oldest", "-cursor", path+"2")
	p.exits(exitFailed, "no space left on device")
	if kept, _ := os.ReadDir(filepath.Dir(path)); len(kept) != 1 {
		t.Errorf("there are %v", kept)
	}
}

// TestStdoutStuck ends by a signal though a write to stdout does not return. It
// answers the server until then, and the cursor is not moved past the event.
func TestStdoutStuck(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the whole grace")
	}
	t.Parallel()
	srv, addr := serveTCP(t, momserver.Config{})
	r, w := pipe(t)
	path := filepath.Join(t.TempDir(), "cursor")
	p := start(t, addr, w, "-o", "json", "-cursor", path)
	runs(t, srv, 1)
	eventually(t, "shown", func() bool {
		text, _ := os.ReadFile(path)
		return string(text) == cursorLine(wire.Cursor{Epoch: srv.Epoch(), Seq: 2})
	})
	long := strings.Repeat("\x01", 40_000) // six times that in JSON, more than a pipe takes
	if err := srv.Publish(wire.Event{JobID: jobID("site"), RunID: jobID("run"), Data: wire.TransferData{
		Initialize: &wire.InitializeData{Name: long}, Status: wire.Status{State: wire.JobInitialized},
	}}); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(r)
	for range 2 {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lines.ReadByte(); err != nil { // of the third, whose rest does not fit
		t.Fatal(err)
	}
	p.signal(syscall.SIGINT)
	p.exits(exitFailed, "ended while stdout took no more")
	if got := read(t, path); got != cursorLine(wire.Cursor{Epoch: srv.Epoch(), Seq: 2}) {
		t.Errorf("the cursor is %q", got)
	}
}
