package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mom/momclient"
	"mom/momserver"
	"mom/wire"
)

// envSlow, where it is set, makes the tests of this package cut links under
// servers with default times too.
const envSlow = "MOM_TEST_SLOW"

// timing is how soon a vanished peer is to be noticed, and by what flags of
// the server.
type timing struct {
	name   string
	flags  []string
	notice time.Duration
}

var (
	tuned    = timing{"tuned", []string{"-heartbeat", "400ms", "-call-timeout", "1s"}, 2 * time.Second}
	defaults = timing{"defaults", nil, 10 * time.Second}
)

// slack is on top of what is promised, for a machine that has other things to
// do.
const slack = 20 * time.Second

func timings() []timing {
	if os.Getenv(envSlow) == "" {
		return []timing{tuned}
	}
	return []timing{tuned, defaults}
}

// pairUnderTest is a server and a monitor over a link that is to be cut.
type pairUnderTest struct {
	t        *testing.T
	number   int
	timing   timing
	ways     way
	busy     bool
	callback bool

	server, monitor  *process
	noticed, missing time.Duration // by the server, by the monitor, after the cut
	lines            int           // of the monitor, when it had resumed
}

func (p *pairUnderTest) String() string {
	return fmt.Sprintf("%s, cut %s, busy %t, callback %t", p.timing.name, p.ways, p.busy, p.callback)
}

// start starts both.
func (p *pairUnderTest) start(l *lab) {
	addr := serverIP(p.number) + ":7420"
	src, dst := tree(p.t, 1)
	args := append([]string{"-addr", addr, "-every", "1h"}, p.timing.flags...)
	if p.busy { // some events a second, for a minute
		if err := os.WriteFile(filepath.Join(src, "film"), bytes.Repeat([]byte("film"), 3<<20), 0o644); err != nil {
			p.t.Fatal(err)
		}
		args = append(args, "-bandwidth", "200000", "-progress-interval", "1ms")
	}
	p.server = startIn(p.t, l.servers.in, "momserver", append(args, src, dst)...)
	p.server.says("addr=")
	args = []string{"-addr", addr, "-o", "json", "-from", "oldest", "-name", "monitor"}
	if p.timing.name == tuned.name {
		args = append(args, "-period", "1s")
	}
	if p.callback {
		args = append(args, "-callback", clientIP(p.number)+":0")
	}
	p.monitor = startIn(p.t, l.clients.in, "momclient", args...)
}

func (p *pairUnderTest) shown() int { return strings.Count(p.monitor.stdout.String(), "\n") }

func (p *pairUnderTest) ready() bool {
	return p.shown() > 5 || !p.busy && strings.Contains(p.monitor.stdout.String(), "JobCompleted")
}

// notices reports whether both have noticed, and keeps when they did.
func (p *pairUnderTest) notices(at time.Time) bool {
	if p.noticed == 0 && dropped(p.server.stderr.String(), "monitor") != "" {
		p.noticed = time.Since(at)
	}
	if p.missing == 0 && strings.Contains(p.monitor.stderr.String(), "lost") {
		p.missing = time.Since(at)
	}
	return p.noticed > 0 && p.missing > 0
}

// checkNotice looks at how soon it was, and why.
func (p *pairUnderTest) checkNotice() {
	p.t.Logf("%v: noticed by the server in %v, by the monitor in %v", p, p.noticed.Round(time.Millisecond), p.missing.Round(time.Millisecond))
	if max(p.noticed, p.missing) > p.timing.notice+slack {
		p.t.Errorf("%v: noticed in %v and %v, want %v", p, p.noticed, p.missing, p.timing.notice)
	}
	why := dropped(p.server.stderr.String(), "monitor")
	// Where the server hears, it may hear that the monitor has closed; and the
	// connection on which it does not call is the kernel's to find.
	lost := strings.Contains(why, `reason="connection lost"`) && (p.ways == fromServer || p.callback)
	if !strings.Contains(why, `reason="call timeout"`) && !lost {
		p.t.Errorf("%v: %s", p, why)
	}
}

// goesOn reports whether the monitor is back, with more events where there are.
func (p *pairUnderTest) goesOn() bool {
	if p.lines == 0 && strings.Contains(p.monitor.stderr.String(), "resumed") {
		p.lines = p.shown()
	}
	return p.lines > 0 && (!p.busy || p.shown() > p.lines+3)
}

// TestCut cuts the link between a server and a monitor without a word to
// either. Both notice; when it has healed the monitor gets on, with nothing
// lost or twice.
func TestCut(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if l == nil {
		return
	}
	var pairs []*pairUnderTest
	all := func(what string, holds func(*pairUnderTest) bool) {
		t.Helper()
		wait(t, what, func() bool {
			done := true
			for _, p := range pairs {
				done = holds(p) && done // each is looked at, so that each is timed
			}
			return done
		})
	}
	for _, timing := range timings() {
		for _, ways := range []way{bothWays, toServer, fromServer} {
			for _, busy := range []bool{false, true} {
				p := &pairUnderTest{t: t, number: len(pairs) + 1, timing: timing, ways: ways, busy: busy, callback: busy == (ways == bothWays)}
				p.start(l)
				pairs = append(pairs, p)
			}
		}
	}
	all("events", (*pairUnderTest).ready)
	at := time.Now()
	for _, p := range pairs {
		l.cut(p.number, p.ways, true)
	}
	all("noticed", func(p *pairUnderTest) bool { return p.notices(at) })
	for _, p := range pairs {
		p.checkNotice()
		l.cut(p.number, p.ways, false)
	}
	all("resumed", (*pairUnderTest).goesOn)
	for _, p := range pairs {
		if missed := checkGaps(t, events(t, p.monitor.stdout.String())); missed > 0 {
			t.Errorf("%v: missed %d, of which the cache had all", p, missed)
		}
	}
}

// stranger is a connection on which nobody is called.
type stranger struct {
	name string
	ways way // that are cut
	srv  *momserver.Server
	nc   net.Conn
	ask  bool // for an answer, when the link is cut

	noticed time.Duration
}

// TestCutStrangers cuts the links of connections on which nobody is called:
// the server finds them, long before they are idle for too long.
func TestCutStrangers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if l == nil {
		return
	}
	cfg, notice := momserver.Config{CallTimeout: time.Second, HandshakeTimeout: time.Second, IdleTimeout: time.Hour}, tuned.notice
	if os.Getenv(envSlow) != "" {
		cfg, notice = momserver.Config{IdleTimeout: time.Hour}, defaults.notice
	}
	strangers := []*stranger{
		{name: "silent", ways: bothWays},
		{name: "within the greeting", ways: bothWays},
		{name: "greeted", ways: bothWays},
		{name: "greeted, no longer reached", ways: fromServer},
		{name: "greeted, waiting for an answer", ways: fromServer, ask: true},
	}
	for i, s := range strangers {
		pair := i + 1
		s.srv = momserver.New(cfg)
		defer s.srv.Close()
		go s.srv.Serve(listenIn(t, l.servers.in, serverIP(pair)+":7420"))
		err := l.clients.in(func() (err error) {
			s.nc, err = net.DialTimeout("tcp", serverIP(pair)+":7420", 5*time.Second)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.nc.Close()
	}
	for i, s := range strangers { // when all are connected, because their time runs
		switch {
		case s.name == "within the greeting":
			s.nc.Write([]byte("MoM\x01"))
		case s.name != "silent":
			if _, err := wire.Greet(s.nc, wire.Hello{Version: wire.Version}, 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, "a connection", func() bool { return s.srv.Stats().Connections == 1 })
		l.cut(i+1, s.ways, true)
	}
	at := time.Now()
	for _, s := range strangers {
		if s.ask {
			conn := wire.NewConn(s.nc, wire.ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
			defer conn.Close(wire.Errorf(wire.CodeClosed, "done"))
			conn.Client().Go(wire.MethodPing, &wire.Nothing{}, &wire.Nothing{}, nil)
		}
	}
	wait(t, "noticed", func() bool {
		left := 0
		for _, s := range strangers {
			if s.noticed > 0 {
				continue
			}
			if left++; s.srv.Stats().Connections == 0 {
				s.noticed = time.Since(at)
			}
		}
		return left == 0
	})
	for _, s := range strangers {
		t.Logf("%s: noticed in %v", s.name, s.noticed.Round(time.Millisecond))
		if s.noticed > notice+slack {
			t.Errorf("%s: noticed in %v, want %v", s.name, s.noticed, notice)
		}
	}
}

// TestCutAsking cuts the link under a client that asks for what is cached,
// before and after it has connected: it is told within its times.
func TestCutAsking(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if l == nil {
		return
	}
	const pair = 1
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	go srv.Serve(listenIn(t, l.servers.in, serverIP(pair)+":7420"))
	cutWhen := ""
	c := momclient.New(serverIP(pair)+":7420", momclient.Options{
		CallTimeout: 500 * time.Millisecond,
		DialContext: func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
			err = l.clients.in(func() (err error) {
				nc, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			if cutWhen == "connected" {
				l.cut(pair, bothWays, true)
			}
			return nc, err
		},
	})
	defer c.Close()
	for _, cutWhen = range []string{"never", "connected", "before"} {
		at := time.Now()
		_, err := c.Jobs(context.Background())
		t.Logf("%s: %v after %v", cutWhen, err, time.Since(at).Round(time.Millisecond))
		if cutWhen == "never" && err != nil || cutWhen != "never" && !errors.Is(err, wire.ErrLost) && !errors.Is(err, wire.ErrTimeout) {
			t.Errorf("cut %s: %v", cutWhen, err)
		}
	}
}

func listenIn(t *testing.T, in place, addr string) (l net.Listener) {
	t.Helper()
	err := in(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// wait polls until a condition holds, with a deadline for a test that hangs.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(40 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}
