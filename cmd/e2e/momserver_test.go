//go:build unix

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/certs"
	"mom.internal/wire/wiretest/invariant"
)

// subscribe subscribes at addr and calls see with each event until see returns
// false or the server is gone. It returns the last event.
func subscribe(t *testing.T, addr string, opts momclient.Options, see func(wire.Event) bool) (last wire.Event) {
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

// TestWait begins when the subscriber is there, which receives everything from
// the first event to the last.
func TestWait(t *testing.T) {
	src, dst := tree(t, 10)
	p, addr := serve(t, "", "-once", "-wait", "1", src, dst)
	probe := momclient.New(addr, momclient.Options{})
	defer probe.Close()
	if events, err := probe.Jobs(t.Context()); err != nil || len(events) > 0 {
		t.Errorf("before the subscriber was there: %v, %v", events, err)
	}
	first := uint64(0)
	last := subscribe(t, addr, momclient.Options{}, func(e wire.Event) bool {
		if first == 0 {
			first = e.Seq
		}
		return true
	})
	if first != 1 || last.Data.Status.State != wire.JobCompleted || last.Data.Progress.Fraction() != 1 {
		t.Errorf("from event %d to %+v", first, last.Data)
	}
	p.exits(0)
	same(t, src, dst)
}

// TestWaitForSubscription: -wait does not count a client whose callback
// endpoint first hangs and then fails.
func TestWaitForSubscription(t *testing.T) {
	src, dst := tree(t, 10)
	p, addr := serve(t, "", "-once", "-wait", "1", src, dst)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if nc, err := l.Accept(); err == nil {
			time.Sleep(300 * time.Millisecond) // if the server counted the client, it would begin in this time
			nc.Close()
		}
	}()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protocol.Greet(nc, "", 30*time.Second); err != nil {
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
	subscribe(t, addr, momclient.Options{}, func(e wire.Event) bool {
		first = e.Seq
		return false
	})
	if first != 1 {
		t.Errorf("the subscriber's first event is %d", first)
	}
	p.signal(syscall.SIGINT)
	p.cmd.Wait()
}

// TestInterrupt ends a transfer by a signal: the run ends with an error that
// says so, all subscribers receive it, no spool is left, and the exit is clean.
func TestInterrupt(t *testing.T) {
	for _, tc := range []struct {
		signal syscall.Signal
		args   []string
		code   int
	}{
		{syscall.SIGINT, nil, 0}, {syscall.SIGTERM, nil, 0}, {syscall.SIGINT, []string{"-once"}, 1}, {syscall.SIGINT, []string{"-continue-on-error"}, 0},
	} {
		t.Run(fmt.Sprint(tc.signal, tc.args), func(t *testing.T) {
			t.Parallel()
			src, dst := tree(t, 10)
			p, addr := serve(t, "", append(tc.args, "-bandwidth", "100", "-progress-interval", "1ms", src, dst)...)
			signalled := false
			last := subscribe(t, addr, momclient.Options{}, func(e wire.Event) bool {
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
			p.exits(tc.code)
			if left, _ := os.ReadDir(dst); len(left) > 0 {
				t.Errorf("at the destination: %v", left)
			}
		})
	}
}

// TestInterruptWaiting ends a server that waits for subscribers or for its next
// run.
func TestInterruptWaiting(t *testing.T) {
	for _, args := range [][]string{{"-wait", "1"}, {"-every", "1h"}} {
		src, dst := tree(t, 1)
		p, addr := serve(t, "", append(args, src, dst)...)
		if args[0] == "-every" {
			subscribe(t, addr, momclient.Options{}, func(e wire.Event) bool { return !e.EndsRun() })
		}
		p.signal(syscall.SIGINT)
		p.exits(0)
	}
}

// stalling is a connection that takes no more bytes to write once stalled is
// set.
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

// stall subscribes at addr and, once bytes move, answers no more calls until
// release is called. release waits for the subscription to end.
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
		subscribe(t, addr, momclient.Options{DialContext: dial}, func(e wire.Event) bool {
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

// TestSecondSignal ends a server at once that waits for a subscriber after a
// first signal.
func TestSecondSignal(t *testing.T) {
	src, dst := tree(t, 10)
	p, addr := serve(t, "", "-bandwidth", "100", "-call-timeout", "1h", "-progress-interval", "1ms", src, dst)
	release := stall(t, addr)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if p.exits(-1); p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
			t.Errorf("it ended otherwise: %v", p.cmd.ProcessState)
		}
	}()
	// The server may take several early signals as one.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		p.cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
			waiting = false
		case <-tick.C:
		}
	}
	release()
}

// TestEvery mirrors a change in the next run.
func TestEvery(t *testing.T) {
	src, dst := tree(t, 1)
	p, addr := serve(t, "", "-every", "1ms", src, dst)
	changed := false
	subscribe(t, addr, momclient.Options{}, func(e wire.Event) bool {
		if e.Data.Status.State != wire.JobCompleted {
			return true
		}
		if !changed {
			changed = true
			if err := os.WriteFile(filepath.Join(src, "index.html"), []byte("news"), 0o644); err != nil {
				t.Error(err)
			}
		}
		got, _ := os.ReadFile(filepath.Join(dst, "index.html"))
		return string(got) != "news"
	})
	same(t, src, dst)
	p.signal(syscall.SIGINT)
	p.exits(0)
}

// TestSecured accepts only clients with the token and a certificate.
func TestSecured(t *testing.T) {
	if len(secure()) == 1 {
		t.Skip("the wall clock steps")
	}
	files, token := newCerts(t, true, "127.0.0.1"), filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := files.trust.Certificates[0]
	src, dst := tree(t, 1)
	p, addr := serve(t, "", append(files.server, "-token-file", token, src, dst)...)
	for _, tc := range []struct {
		token string
		cert  tls.Certificate
		ok    bool
	}{{"secret", own, true}, {"wrong", own, false}, {"secret", tls.Certificate{}, false}, {"secret", certs.NewAuthority().Issue("client", time.Hour), false}} {
		secure := &tls.Config{RootCAs: files.trust.RootCAs, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tc.cert, nil }}
		c := momclient.New(addr, momclient.Options{Token: tc.token, TLS: secure})
		if _, err := c.Jobs(t.Context()); (err == nil) != tc.ok {
			t.Errorf("token %q, %d certificates: %v", tc.token, len(tc.cert.Certificate), err)
		}
		c.Close()
	}
	p.signal(syscall.SIGINT)
	p.exits(0)
}

// TestTokenChanges: when the token file of a server changes, its clients are
// dropped although nobody else comes, and those with the old token stay out.
func TestTokenChanges(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	src, dst := tree(t, 1)
	p, addr := serve(t, "", "-token-file", token, src, dst)
	client := exec.Command(filepath.Join(bin, "momclient"), "-addr", addr, "-o", "json", "-period", "1s")
	client.Env = append(os.Environ(), "MOM_TOKEN=old")
	c := launch(t, sameNamespace, client)
	c.says("connected")
	if err := os.WriteFile(token, []byte("newer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.exits(3, "lost: the token has changed", "the token is missing or wrong")
	p.says("reason=disconnected detail=\"the token has changed\"")
	p.signal(syscall.SIGINT)
	p.exits(0)
}

// TestStrangersLeaveDescriptors holds 1,200 silent connections to a server that
// may have 1,024 file descriptors. Each run mirrors what has changed, and a client
// behind the same address gets in.
func TestStrangersLeaveDescriptors(t *testing.T) {
	const strangers = 1200
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < strangers+200 {
		t.Skipf("this process may have %d descriptors, %v", limit.Cur, err)
	}
	src, dst := tree(t, 40)
	p := launch(t, sameNamespace, exec.Command("sh", "-c", `ulimit -n 1024 && exec "$@"`, "sh",
		filepath.Join(bin, "momserver"), "-addr", "127.0.0.1:0", "-every", "20ms", src, dst))
	p.says("fewer connections are accepted")
	addr := p.word("msg=listening requires=nothing addr=")
	for range strangers {
		nc, err := net.DialTimeout("tcp", addr, hangs)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	for i := range 10 {
		name := fmt.Sprint("new", i)
		if err := os.WriteFile(filepath.Join(src, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		p.eventually(name, func() bool { _, err := os.Stat(filepath.Join(dst, name)); return err == nil })
		c := momclient.New(addr, momclient.Options{})
		if _, err := c.Jobs(t.Context()); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	p.signal(syscall.SIGINT)
	p.exits(0)
	for _, fault := range []string{"level=ERROR", "accept failed", "too many open files"} {
		if strings.Contains(p.stderr.String(), fault) {
			t.Errorf("%s in %s", fault, tail(p.stderr.String()))
		}
	}
}
