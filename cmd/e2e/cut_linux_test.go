package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// timing is the time within which each side must notice that the other has
// vanished, and the flags of the server for it.
type timing struct {
	name   string
	flags  []string
	notice time.Duration
}

var (
	tuned    = timing{"tuned", []string{"-heartbeat", "400ms", "-call-timeout", "1s"}, 2 * time.Second}
	defaults = timing{"defaults", nil, 10 * time.Second}
)

// slack is added to the promised times, because the machine may be busy.
const slack = 20 * time.Second

func timings() []timing {
	if os.Getenv(envSlow) == "" {
		return []timing{tuned}
	}
	return []timing{tuned, defaults}
}

// pairUnderTest is a server and a monitor with a link between them that the
// test cuts.
type pairUnderTest struct {
	t        *testing.T
	number   int
	timing   timing
	ways     way
	busy     bool
	callback bool
	secured  bool // with TLS

	server, monitor  *process
	control          *controlClient
	noticed, missing time.Duration // from the cut until the server, and the monitor, noticed it
	lines            int           // that the monitor had printed when it resumed
}

func (p *pairUnderTest) String() string {
	return fmt.Sprintf("%s, cut %s, busy %t, callback %t, TLS %t", p.timing.name, p.ways, p.busy, p.callback, p.secured)
}

// start starts the server and the monitor.
func (p *pairUnderTest) start(l *netnsLab) {
	addr := serverIP(p.number) + ":7420"
	src, dst := tree(p.t, 1)
	certs := newCerts(p.t, p.secured, serverIP(p.number))
	args := append([]string{"-addr", addr, "-every", "1h"}, p.timing.flags...)
	args = append(args, certs.server...)
	if p.busy { // some events per second for a minute
		if err := os.WriteFile(filepath.Join(src, "film"), bytes.Repeat([]byte("film"), 3<<20), 0o644); err != nil {
			p.t.Fatal(err)
		}
		args = append(args, "-bandwidth", "200000", "-progress-interval", "1ms")
	}
	p.server = launch(p.t, l.servers.in, command("momserver", append(args, src, dst)...))
	p.server.says("addr=")
	p.control = newControlClient(p.t, l.servers.in, addr, certs)
	args = append([]string{"-addr", addr, "-o", "json", "-from", "oldest", "-name", "monitor"}, certs.client...)
	if p.timing.name == tuned.name {
		args = append(args, "-period", "1s")
	}
	if p.callback {
		args = append(args, "-callback", clientIP(p.number)+":0")
	}
	p.monitor = launch(p.t, l.clients.in, command("momclient", args...))
}

func (p *pairUnderTest) shown() int { return strings.Count(p.monitor.stdout.String(), "\n") }

func (p *pairUnderTest) ready() bool {
	return p.shown() > 5 || !p.busy && strings.Contains(p.monitor.stdout.String(), "JobCompleted")
}

// notices reports whether both sides have noticed the cut, and records when
// they did.
func (p *pairUnderTest) notices(at time.Time) bool {
	if p.noticed == 0 && dropped(p.server.stderr.String(), "monitor") != "" {
		p.noticed = time.Since(at)
	}
	if p.missing == 0 && strings.Contains(p.monitor.stderr.String(), "lost") {
		p.missing = time.Since(at)
	}
	return p.noticed > 0 && p.missing > 0
}

// checkNotice checks the time and the reason.
func (p *pairUnderTest) checkNotice() {
	p.t.Logf("%v: noticed by the server in %v, by the monitor in %v", p, p.noticed.Round(time.Millisecond), p.missing.Round(time.Millisecond))
	if max(p.noticed, p.missing) > p.timing.notice+slack {
		p.t.Errorf("%v: noticed in %v and %v, want %v", p, p.noticed, p.missing, p.timing.notice)
	}
	why := dropped(p.server.stderr.String(), "monitor")
	// If the link still carries data to the server, the server may receive that
	// the monitor has closed. On a connection without calls from the server,
	// only the kernel can find the loss.
	lost := strings.Contains(why, `reason="connection lost"`) && (p.ways == fromServer || p.callback)
	if !strings.Contains(why, `reason="call timeout"`) && !lost {
		p.t.Errorf("%v: %s", p, why)
	}
}

// goesOn reports whether the monitor is back, and has printed new events if the
// server publishes any.
func (p *pairUnderTest) goesOn() bool {
	if p.lines == 0 && strings.Contains(p.monitor.stderr.String(), "resumed") {
		p.lines = p.shown()
	}
	return p.lines > 0 && (!p.busy || p.shown() > p.lines+3)
}

// pairsUnderTest returns a pair for each combination that is tested.
func pairsUnderTest(t *testing.T) (pairs []*pairUnderTest) {
	for _, timing := range timings() {
		for _, ways := range []way{bothWays, toServer, fromServer} {
			for _, busy := range []bool{false, true} {
				for _, secured := range secure() {
					callback := (busy != secured) == (ways == bothWays)
					pairs = append(pairs, &pairUnderTest{t: t, number: len(pairs) + 1, timing: timing, ways: ways, busy: busy, callback: callback, secured: secured})
				}
			}
		}
	}
	return pairs
}

// TestCut silently cuts links, all at once. Servers and monitors notice the
// cut, and once the link is healed the monitor goes on with no event lost or
// repeated. Servers also notice cuts of connections on which they make no
// calls, and a client that asks for cached events gets an error in time.
func TestCut(t *testing.T) {
	t.Parallel()
	pairs := pairsUnderTest(t)
	l := newNetnsLab(t, len(pairs)+maxIdleConns+1)
	if l == nil {
		return
	}
	for _, p := range pairs {
		p.start(l)
	}
	all(t, "events", pairs, (*pairUnderTest).ready)
	idleConns := newIdleConns(t, l, len(pairs)+1)

	at := time.Now()
	for _, p := range pairs {
		l.cut(p.number, p.ways, true)
	}
	for _, s := range idleConns {
		l.cut(s.number, s.ways, true)
		s.wait()
	}
	all(t, "noticed", pairs, func(p *pairUnderTest) bool { return p.notices(at) })
	all(t, "idle connections noticed", idleConns, func(s *idleConn) bool { return s.isNoticed(at) })
	for _, p := range pairs {
		p.checkNotice()
		l.cut(p.number, p.ways, false)
	}
	for _, s := range idleConns {
		s.checkNotice()
	}
	cutUnderAsking(t, l, l.pairs)
	all(t, "resumed", pairs, (*pairUnderTest).goesOn)
	for _, p := range pairs {
		shown := events(t, p.monitor.stdout.String())
		if missed := told(t, shown).Missed; missed > 0 {
			t.Errorf("%v: missed %d, of which the cache had all", p, missed)
		}
		p.control.check(p.String(), shown)
	}
}

func listenIn(t *testing.T, run runner, addr string) (l net.Listener) {
	t.Helper()
	err := run(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
