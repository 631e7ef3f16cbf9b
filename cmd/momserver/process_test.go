//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
	"mom.internal/wire/wiretest/invariant"
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
	addr   string
	url    string      // of the debug pages, with -debug
	stderr chan string // all of it, at the end
}

// start starts the command and waits until it listens.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startIn(t, nil, args...)
}

// startIn is start with more in the environment.
func startIn(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, stderr: make(chan string, 1)}
	p.cmd = exec.Command(os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(append(os.Environ(), env...), envMain+"=1", "GORACE=atexit_sleep_ms=0") // else it sleeps a second at the end
	out, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	i := strings.Index(line, "addr=")
	if i < 0 {
		t.Fatalf("it does not listen: %q, %v", line, err)
	}
	p.addr = strings.TrimSpace(line[i+len("addr="):])
	if slices.Contains(args, "-debug") {
		next, err := r.ReadString('\n')
		_, url, ok := strings.Cut(next, "url=")
		if !ok {
			t.Fatalf("no debug pages: %q, %v", next, err)
		}
		p.url, line = strings.TrimSuffix(url, "/\n"), line+next
	}
	go func() {
		rest, _ := io.ReadAll(r)
		p.stderr <- line + string(rest)
	}()
	return p
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

// wait returns the exit code, -1 for a signal, and stderr.
func (p *process) wait() (code int, stderr string) {
	stderr = <-p.stderr
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode(), stderr
}

// watch subscribes at addr and calls see with each event until it returns
// false, or the server is gone. It returns the last event.
func watch(t *testing.T, addr string, opts momclient.Options, see func(wire.Event) bool) (last wire.Event) {
	t.Helper()
	opts.From = wire.FromOldest
	c := momclient.New(addr, opts)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	stream := invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	for e, err := range c.Events(ctx) {
		if err != nil {
			break
		}
		stream.Event(e)
		if last = e; !see(e) {
			break
		}
	}
	return last
}

// TestWait begins when the subscriber is there, who gets everything from the
// first event to the last.
func TestWait(t *testing.T) {
	paths := sites(t, 1)
	p := start(t, append([]string{"-once", "-wait", "1"}, paths...)...)
	probe := momclient.New(p.addr, momclient.Options{})
	defer probe.Close()
	if events, err := probe.Jobs(t.Context()); err != nil || len(events) > 0 {
		t.Errorf("before the subscriber was there: %v, %v", events, err)
	}
	first := uint64(0)
	last := watch(t, p.addr, momclient.Options{}, func(e wire.Event) bool {
		if first == 0 {
			first = e.Seq
		}
		return true
	})
	if first != 1 || last.Data.Status.State != wire.JobCompleted || last.Data.Progress.Fraction() != 1 {
		t.Errorf("from event %d to %+v", first, last.Data)
	}
	if code, stderr := p.wait(); code != exitOK || !mirrored(paths[0], paths[1]) {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// TestWaitForSubscription: -wait does not count a client whose callback
// endpoint hangs, and then fails.
func TestWaitForSubscription(t *testing.T) {
	p := start(t, append([]string{"-once", "-wait", "1"}, sites(t, 1)...)...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if nc, err := l.Accept(); err == nil {
			time.Sleep(300 * time.Millisecond) // in which a command that counts the client begins
			nc.Close()
		}
	}()
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protocol.Greet(nc, protocol.Hello{Version: protocol.Version}, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: 30 * time.Second, MessageTimeout: 30 * time.Second})
	go conn.Serve("", nil)
	defer conn.Close(wire.Errorf(wire.Closed, "the test is over"))
	args := protocol.SubscribeArgs{CallbackAddr: l.Addr().String(), Ticket: make([]byte, protocol.TicketSize)}
	if err := conn.Call(t.Context(), protocol.MethodSubscribe, &args, new(protocol.Subscribed)); !errors.Is(err, wire.CallbackFailed) {
		t.Errorf("subscribed: %v", err)
	}
	first := uint64(0)
	watch(t, p.addr, momclient.Options{}, func(e wire.Event) bool {
		first = e.Seq
		return false
	})
	if first != 1 {
		t.Errorf("the subscriber's first event is %d", first)
	}
	p.signal(syscall.SIGINT)
	p.wait()
}

// TestInterrupt ends a transfer by a signal: the run ends by an error that says
// so, everybody gets it, no spool is left, and the exit is clean.
func TestInterrupt(t *testing.T) {
	for _, tc := range []struct {
		signal os.Signal
		args   []string
		code   int
	}{
		{os.Interrupt, nil, exitOK}, {syscall.SIGTERM, nil, exitOK}, {os.Interrupt, []string{"-once"}, exitFailed}, {os.Interrupt, []string{"-continue-on-error"}, exitOK},
	} {
		t.Run(fmt.Sprint(tc.signal, tc.args), func(t *testing.T) {
			t.Parallel()
			paths := sites(t, 1)
			p := start(t, append(append(tc.args, "-bandwidth", "100", "-progress-interval", "1ms"), paths...)...)
			signalled := false
			last := watch(t, p.addr, momclient.Options{}, func(e wire.Event) bool {
				if e.Data.Status.State == wire.Transferring && !signalled {
					signalled = true
					p.signal(tc.signal)
				}
				return true
			})
			log := last.Data.Status.Log
			if !last.EndsRun() || !last.Data.Status.State.IsError() || len(log) == 0 || !strings.Contains(log[len(log)-1].Message, "interrupted") {
				t.Errorf("the last event is %+v", last.Data.Status)
			}
			if code, stderr := p.wait(); code != tc.code {
				t.Errorf("exit %d\n%s", code, stderr)
			}
			if left, _ := filepath.Glob(filepath.Join(paths[1], ".*")); len(left) > 0 || mirrored(paths[0], paths[1]) {
				t.Errorf("at the destination: %v", left)
			}
		})
	}
}

// TestInterruptWaiting ends a command that waits for subscribers or for its
// next run.
func TestInterruptWaiting(t *testing.T) {
	for _, args := range [][]string{{"-wait", "1"}, {"-every", "1h"}} {
		p := start(t, append(args, sites(t, 1)...)...)
		if args[0] == "-every" {
			watch(t, p.addr, momclient.Options{}, func(e wire.Event) bool { return !e.EndsRun() })
		}
		p.signal(os.Interrupt)
		if code, stderr := p.wait(); code != exitOK {
			t.Errorf("%v: exit %d\n%s", args, code, stderr)
		}
	}
}

// stalling is a connection that takes nothing to write once it is told to.
type stalling struct {
	net.Conn
	stalled atomic.Bool
	closed  context.Context
	close   context.CancelFunc
}

func (s *stalling) Write(b []byte) (int, error) {
	if s.stalled.Load() {
		<-s.closed.Done()
	}
	return s.Conn.Write(b)
}

func (s *stalling) Close() error {
	s.close()
	return s.Conn.Close()
}

// stall subscribes at addr and, once bytes move, answers nothing any more until
// the returned function is called, which waits for the subscription to end.
func stall(t *testing.T, addr string) (release func()) {
	t.Helper()
	conn := new(stalling)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		conn.Conn = c
		conn.closed, conn.close = context.WithCancel(context.Background())
		return conn, err
	}
	watched := make(chan struct{})
	moving := make(chan struct{})
	go func() {
		defer close(watched)
		watch(t, addr, momclient.Options{DialContext: dial}, func(e wire.Event) bool {
			if e.Data.Status.State == wire.Transferring && !conn.stalled.Swap(true) {
				close(moving)
			}
			return true
		})
	}()
	<-moving
	return func() {
		conn.Close()
		<-watched
	}
}

// TestSecondSignal kills a command that, after a first signal, waits for a
// subscriber who does not answer.
func TestSecondSignal(t *testing.T) {
	p := start(t, append([]string{"-bandwidth", "100", "-call-timeout", "1h", "-progress-interval", "1ms"}, sites(t, 1)...)...)
	release := stall(t, p.addr)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if code, stderr := p.wait(); code != -1 || p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
			t.Errorf("it ended by itself: exit %d\n%s", code, stderr)
		}
	}()
	// Signals that come before the first was taken are one with it.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		p.cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
			waiting = false
		case <-tick.C:
		}
	}
	release()
}

// TestEvery mirrors what has changed in the next run.
func TestEvery(t *testing.T) {
	paths := sites(t, 1)
	p := start(t, append([]string{"-every", "1ms"}, paths...)...)
	changed := false
	watch(t, p.addr, momclient.Options{}, func(e wire.Event) bool {
		if e.Data.Status.State != wire.JobCompleted {
			return true
		}
		if !changed {
			changed = true
			if err := os.WriteFile(filepath.Join(paths[0], "index.html"), []byte("news"), 0o644); err != nil {
				t.Error(err)
			}
		}
		got, _ := os.ReadFile(filepath.Join(paths[1], "index.html"))
		return string(got) != "news"
	})
	if !mirrored(paths[0], paths[1]) {
		t.Error("the change was not mirrored")
	}
	p.signal(os.Interrupt)
	if code, stderr := p.wait(); code != exitOK {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// TestSecured takes only clients with the token and a certificate.
func TestSecured(t *testing.T) {
	authority := wiretest.NewAuthority()
	cert, key := writePair(t, authority.Issue("server", time.Hour, "127.0.0.1"))
	own := authority.Issue("client", time.Hour)
	ca, _ := writePair(t, own) // a certificate that is trusted need not be signed
	token := filepath.Join(t.TempDir(), "token")
	os.WriteFile(token, []byte("secret\n"), 0o600)
	p := start(t, append([]string{"-tls-cert", cert, "-tls-key", key, "-tls-client-ca", ca, "-token-file", token}, sites(t, 1)...)...)
	for _, tc := range []struct {
		token string
		cert  tls.Certificate
		ok    bool
	}{{"secret", own, true}, {"wrong", own, false}, {"secret", tls.Certificate{}, false}, {"secret", authority.Issue("stranger", time.Hour), false}} {
		secure := &tls.Config{RootCAs: authority.Pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tc.cert, nil }}
		c := momclient.New(p.addr, momclient.Options{Token: tc.token, TLS: secure})
		if _, err := c.Jobs(t.Context()); (err == nil) != tc.ok {
			t.Errorf("token %q, %d certificates: %v", tc.token, len(tc.cert.Certificate), err)
		}
		c.Close()
	}
	p.signal(os.Interrupt)
	if code, stderr := p.wait(); code != exitOK {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}
