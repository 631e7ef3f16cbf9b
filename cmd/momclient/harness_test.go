package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
)

func noEnv(string) string { return "" }

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

// command runs the command in this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs buffer
	code = run(t.Context(), args, noEnv, &out, &errs)
	return code, out.String(), errs.String()
}

// memAddr is the address of the server on its network in memory.
const memAddr = "mem:7420"

// testPair is a server and a monitor on a network in memory, inside a synctest
// bubble.
type testPair struct {
	t      *testing.T
	net    wiretest.Network
	srv    *momserver.Server
	stdout buffer
	stderr buffer
	ended  chan int // the monitor's exit code
	cancel context.CancelFunc
}

// inBubble runs a test on a testPair whose server has started.
func inBubble(t *testing.T, test func(s *testPair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &testPair{t: t}
		s.serve(momserver.Config{})
		test(s)
		s.srv.Close()
	})
}

// serve starts a server in place of the last one.
func (s *testPair) serve(cfg momserver.Config) {
	s.t.Helper()
	s.kill()
	s.srv = momserver.New(cfg)
	l, err := s.net.Listen(memAddr)
	if err != nil {
		s.t.Fatal(err)
	}
	go s.srv.Serve(l)
	synctest.Wait()
}

// another starts another server, which serves until the test ends.
func (s *testPair) another(addr string, cfg momserver.Config) *momserver.Server {
	s.t.Helper()
	srv := momserver.New(cfg)
	l, err := s.net.Listen(addr)
	if err != nil {
		s.t.Fatal(err)
	}
	go srv.Serve(l)
	s.t.Cleanup(func() { srv.Close() })
	synctest.Wait()
	return srv
}

// kill ends the server as SIGKILL does: the bytes that it sends while it closes
// reach nobody.
func (s *testPair) kill() {
	s.net.Cut()
	if s.srv != nil {
		s.srv.Close()
	}
}

// watch starts the monitor and waits until it waits for events.
func (s *testPair) watch(args ...string) {
	s.t.Helper()
	s.watchTo(&s.stdout, args...)
}

// watchTo is watch with another stdout.
func (s *testPair) watchTo(stdout io.Writer, args ...string) {
	s.t.Helper()
	m, err := newMonitor(append([]string{"-addr", memAddr}, args...), noEnv, stdout, &s.stderr)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range m.connections {
		c.Opts.DialContext = s.net.DialContext
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	s.cancel, s.ended = cancel, make(chan int, 1)
	go func() { s.ended <- m.run(ctx, stdout) }()
	synctest.Wait()
}

// running fails the test if the monitor has ended.
func (s *testPair) running() {
	s.t.Helper()
	synctest.Wait()
	select {
	case code := <-s.ended:
		s.t.Fatalf("it has ended already, with %d\n%s%s", code, &s.stdout, &s.stderr)
	default:
	}
}

// exits checks that the monitor ends with the code after exactly the time, and
// has printed the words on stderr.
func (s *testPair) exits(code int, after time.Duration, words ...string) {
	s.t.Helper()
	begin := time.Now()
	s.exitsBy(code, after, words...)
	if took := time.Since(begin); took < after {
		s.t.Errorf("it ended after %v, not %v", took, after)
	}
}

// exitsBy is exits for an end within the time.
func (s *testPair) exitsBy(code int, within time.Duration, words ...string) {
	s.t.Helper()
	select {
	case got := <-s.ended:
		if got != code {
			s.t.Errorf("exit %d, want %d\n%s%s", got, code, &s.stdout, &s.stderr)
		}
	case <-time.After(within + time.Nanosecond):
		s.t.Errorf("it has not ended within %v\n%s%s", within, &s.stdout, &s.stderr)
		s.cancel()
		<-s.ended
	}
	for _, w := range words {
		if !strings.Contains(s.stderr.String(), w) {
			s.t.Errorf("no %q in %q", w, s.stderr.String())
		}
	}
}

// job starts a run of the job with the name.
func (s *testPair) job(name string) *momserver.Job {
	s.t.Helper()
	return s.jobWith(wire.InitializeData{Name: name})
}

func (s *testPair) jobWith(init wire.InitializeData) *momserver.Job {
	s.t.Helper()
	j := s.startWith(init)
	synctest.Wait()
	return j
}

// start is job, but does not wait until the monitor has seen the beginning of
// the run.
func (s *testPair) start(name string) *momserver.Job {
	s.t.Helper()
	return s.startWith(wire.InitializeData{Name: name})
}

func (s *testPair) startWith(init wire.InitializeData) *momserver.Job {
	s.t.Helper()
	return startOn(s.t, s.srv, init)
}

// startOn starts a run of the job on a server.
func startOn(t *testing.T, srv *momserver.Server, init wire.InitializeData) *momserver.Job {
	t.Helper()
	j, err := srv.StartJob(jobID(init.Name), init)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func jobID(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

func failPackage(t *testing.T, j *momserver.Job) {
	t.Helper()
	p, err := j.StartPackage(wire.PackageHeader{FileSize: 10}, wire.PackageBody{Files: 1})
	if err == nil {
		err = p.Fail(context.DeadlineExceeded)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// cursorLine returns the content of a cursor file.
func cursorLine(c wire.Cursor) string { return fmt.Sprintf("%v/%020d\n", c.Epoch, c.Seq) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
