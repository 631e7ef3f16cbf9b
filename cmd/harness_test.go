//go:build unix

package cmd_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mom.internal/wire"
)

// envSlow, where it is set, makes the tests of this package longer, and has
// them cut links under servers with default times too.
const envSlow = "MOM_TEST_SLOW"

// hangs is the time after which a test counts as hanging. It is long, because
// the machine may be busy.
const hangs = 2 * time.Minute

// bin holds the two commands.
var bin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mom-pair-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := lookAtSources(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-o", dir, "./momserver", "./momclient")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the commands cannot be built: %v\n%s", err, out)
		return 1
	}
	bin = dir
	return m.Run()
}

// lookAtSources looks at each source of the commands, so that go test runs the
// tests again when one has changed: it cannot know what is built here.
func lookAtSources() error {
	for _, dir := range []string{"internal", "momserver", "momclient", "../momserver", "../momclient", "../wire"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// process is one of the two commands, running.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout buffer
	stderr buffer
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return startIn(t, here, name, args...)
}

// place is where something is done, such as a namespace.
type place func(func() error) error

func here(do func() error) error { return do() }

// startIn starts one of the commands elsewhere.
func startIn(t *testing.T, in place, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(filepath.Join(bin, name), args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := in(p.cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Process.Signal(syscall.SIGCONT)
		p.cmd.Wait()
	})
	return p
}

// serve starts momserver and returns its address when it listens. addr is where,
// "" for any port.
func serve(t *testing.T, addr string, args ...string) (*process, string) {
	t.Helper()
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	p := start(t, "momserver", append([]string{"-addr", addr}, args...)...)
	p.says("addr=")
	_, rest, _ := strings.Cut(p.stderr.String(), "addr=")
	addr, _, _ = strings.Cut(rest, "\n")
	return p, addr
}

// restartable is the address of a server that is to be started again at the same
// port. In the meantime another socket may take a port of 127.0.0.1, such as
// that of an outgoing connection. Linux has other loopback addresses, from which
// no program connects.
func restartable() string {
	if runtime.GOOS == "linux" {
		return "127.0.0.2:0"
	}
	return "127.0.0.1:0"
}

// watch starts momclient with -o json, and waits until it has subscribed.
func watch(t *testing.T, addr string, args ...string) *process {
	t.Helper()
	p := start(t, "momclient", append([]string{"-addr", addr, "-o", "json", "-period", "1s"}, args...)...)
	p.says("connected")
	return p
}

// says waits until the words are on stderr.
func (p *process) says(words string) {
	p.t.Helper()
	p.eventually(words, func() bool { return strings.Contains(p.stderr.String(), words) })
}

// eventually waits until a condition holds, with a deadline for a test that
// hangs.
func (p *process) eventually(what string, holds func() bool) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(hangs)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("%s: not %q; stdout ends %.2000s\nstderr %s", filepath.Base(p.cmd.Path), what, tail(p.stdout.String()), &p.stderr)
		}
	}
}

func tail(text string) string { return text[max(0, len(text)-2000):] }

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.cmd.Wait()
}

// exits wants the exit code.
func (p *process) exits(code int) {
	p.t.Helper()
	hung := time.AfterFunc(hangs, func() { p.cmd.Process.Kill() })
	defer hung.Stop()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || p.cmd.ProcessState.ExitCode() != code {
		p.t.Errorf("%s: %v, want exit %d\n%s", filepath.Base(p.cmd.Path), p.cmd.ProcessState, code, &p.stderr)
	}
}

// events reads whole lines as a stranger does, by their names.
func events(t *testing.T, lines string) []wire.Event {
	t.Helper()
	var all []wire.Event
	whole := lines[:strings.LastIndex(lines, "\n")+1]
	for r := bufio.NewScanner(strings.NewReader(whole)); r.Scan(); {
		var e wire.Event
		if err := json.Unmarshal(r.Bytes(), &e); err != nil {
			t.Fatalf("%v in %q", err, r.Text())
		}
		all = append(all, e)
	}
	return all
}

// all waits until a condition holds of all. Each is looked at each time, so
// that each is timed.
func all[T any](t *testing.T, what string, of []T, holds func(T) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(hangs)
	for {
		done := true
		for _, one := range of {
			done = holds(one) && done
		}
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}
