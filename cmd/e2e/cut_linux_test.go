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
	secured  bool // by TLS

	server, monitor  *process
	witness          *witness
	noticed, missing time.Duration // by the server, by the monitor, after the cut
	lines            int           // of the monitor, when it had resumed
}

func (p *pairUnderTest) String() string {
	return fmt.Sprintf("%s, cut %s, busy %t, callback %t, TLS %t", p.timing.name, p.ways, p.busy, p.callback, p.secured)
}

// start starts both.
func (p *pairUnderTest) start(l *lab) {
	addr := serverIP(p.number) + ":7420"
	src, dst := tree(p.t, 1)
	papers := newPapers(p.t, p.secured, serverIP(p.number))
	args := append([]string{"-addr", addr, "-every", "1h"}, p.timing.flags...)
	args = append(args, papers.server...)
	if p.busy { // some events a second, for a minute
		if err := os.WriteFile(filepath.Join(src, "film"), bytes.Repeat([]byte("film"), 3<<20), 0o644); err != nil {
			p.t.Fatal(err)
		}
		args = append(args, "-bandwidth", "200000", "-progress-interval", "1ms")
	}
	p.server = launch(p.t, l.servers.in, command("momserver", append(args, src, dst)...))
	p.server.says("addr=")
	p.witness = newWitness(p.t, l.servers.in, addr, papers)
	args = append([]string{"-addr", addr, "-o", "json", "-from", "oldest", "-name", "monitor"}, papers.client...)
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

// pairsUnderTest returns one of each kind.
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

// TestCut cuts links without a word to either side, all at once: between
// servers and monitors, both of which notice, and when it has healed the
// monitor gets on, with nothing lost or twice; of connections on which nobody
// is called; and under a client that asks for what is cached.
func TestCut(t *testing.T) {
	t.Parallel()
	pairs := pairsUnderTest(t)
	l := newLab(t, len(pairs)+maxStrangers+1)
	if l == nil {
		return
	}
	for _, p := range pairs {
		p.start(l)
	}
	all(t, "events", pairs, (*pairUnderTest).ready)
	strangers := newStrangers(t, l, len(pairs)+1)

	at := time.Now()
	for _, p := range pairs {
		l.cut(p.number, p.ways, true)
	}
	for _, s := range strangers {
		l.cut(s.number, s.ways, true)
		s.wait()
	}
	all(t, "noticed", pairs, func(p *pairUnderTest) bool { return p.notices(at) })
	all(t, "strangers noticed", strangers, func(s *stranger) bool { return s.isNoticed(at) })
	for _, p := range pairs {
		p.checkNotice()
		l.cut(p.number, p.ways, false)
	}
	for _, s := range strangers {
		s.checkNotice()
	}
	cutUnderAsking(t, l, l.pairs)
	all(t, "resumed", pairs, (*pairUnderTest).goesOn)
	for _, p := range pairs {
		shown := events(t, p.monitor.stdout.String())
		if missed := told(t, shown).Missed; missed > 0 {
			t.Errorf("%v: missed %d, of which the cache had all", p, missed)
		}
		p.witness.check(p.String(), shown)
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
