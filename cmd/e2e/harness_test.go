//go:build unix

// Package e2e tests the two commands as processes: over TCP on loopback or
// between network namespaces, with real files, signals and a browser.
package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// envSlow, if it is set, makes these tests longer, and lets them cut links with
// the default times of the server, too.
const envSlow = "MOM_TEST_SLOW"

// hangs is the time after which a test counts as hanging. It is long, because
// the machine may be busy.
const hangs = 2 * time.Minute

// bin is the directory with the two commands.
var bin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mom-pair-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // so that the commands do not inherit an ignored SIGHUP, as from nohup
	args := []string{"build", "-buildvcs=false", "-o", dir, "../momserver", "../momclient"}
	if raceDetector() {
		args = slices.Insert(args, 1, "-race")
		os.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps for a second at its end
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the commands cannot be built: %v\n%s", err, out)
		return 1
	}
	bin = dir
	state, err := os.MkdirTemp("", "mom-state-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(state)
	os.Setenv("STATE_DIRECTORY", state) // so that the servers leave nothing in the user's cache
	return m.Run()
}

// raceDetector reports whether this test was built with -race. The commands are
// then built with it, too.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// statSources calls stat for each source file of the commands, once. The go command
// records that, and runs the tests again when one of the files changes. It cannot see
// what the tests build, and records nothing before the first test.
var statSources = sync.OnceFunc(func() {
	for _, dir := range []string{"../internal", "../momserver", "../momclient", "../../momserver", "../../momclient", "../../wire"} {
		filepath.WalkDir(filepath.Join(here, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.Stat(path)
			}
			return err
		})
	}
})

// here is the directory of this package.
var here, _ = os.Getwd()

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
	return launch(t, sameNamespace, command(name, args...))
}

// command returns the exec.Cmd of one of the commands.
func command(name string, args ...string) *exec.Cmd {
	statSources()
	return exec.Command(filepath.Join(bin, name), args...)
}

// A runner runs a function, perhaps in another network namespace.
type runner func(func() error) error

func sameNamespace(do func() error) error { return do() }

// launch starts a process with the runner.
func launch(t *testing.T, run runner, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd}
	cmd.Stderr = &p.stderr
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	if err := run(p.cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Process.Signal(syscall.SIGCONT)
		p.cmd.Wait()
	})
	return p
}

// serve starts momserver at addr, or at any port if addr is empty. It returns
// the address when the server listens.
func serve(t *testing.T, addr string, args ...string) (*process, string) {
	t.Helper()
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	p := start(t, "momserver", append([]string{"-addr", addr}, args...)...)
	return p, p.word("addr=")
}

// word waits until the prefix is on stderr, and returns the rest of the line.
func (p *process) word(prefix string) string {
	p.t.Helper()
	p.says(prefix)
	_, rest, _ := strings.Cut(p.stderr.String(), prefix)
	word, _, _ := strings.Cut(rest, "\n")
	return word
}

// serveHere starts a server in this process.
func serveHere(t *testing.T, cfg momserver.Config) (srv *momserver.Server, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv = momserver.New(cfg)
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return srv, l.Addr().String()
}

func jobID(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

// restartable returns an address for a server that the test starts again at the
// same port. In the meantime another socket may take a port of 127.0.0.1, such
// as that of an outgoing connection. Linux has other loopback addresses, from
// which no program connects.
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

// eventually waits until a condition holds, and fails the test if it does not
// in time.
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

// exits checks the exit code, -1 for a signal, and that the words are on
// stderr.
func (p *process) exits(code int, words ...string) {
	p.t.Helper()
	hung := time.AfterFunc(hangs, func() { p.cmd.Process.Kill() })
	defer hung.Stop()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || p.cmd.ProcessState.ExitCode() != code {
		p.t.Errorf("%s: %v, want exit %d\n%s", filepath.Base(p.cmd.Path), p.cmd.ProcessState, code, &p.stderr)
	}
	for _, w := range words {
		if !strings.Contains(p.stderr.String(), w) {
			p.t.Errorf("no %q in %q", w, &p.stderr)
		}
	}
}

// events decodes whole lines of JSON.
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

// all waits until a condition holds for each of the values. It checks all of
// them each time, so that each can record its own time.
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
