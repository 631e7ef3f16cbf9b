package simulation_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/invariant"
)

// simulation is one simulation: a server and its successors, publishers, clients
// and bad peers, on a network that fails.
type simulation struct {
	seed     uint64
	duration time.Duration
	began    time.Time
	actors   []*actor
	report   invariant.Report

	net    faultnet.Network
	keys   *tlsKeys // of TLS on all connections; nil for none
	ledger invariant.Ledger
	cfg    momserver.Config

	host        *host
	driver      *driver
	publishers  []*publisher
	subscribers []*subscriber
	bad         *badPeer
	guest       *guest
	newcomers   *newcomers
	strangers   *strangers
	historian   *historian
	links       []*faultnet.Link

	working sync.WaitGroup // the goroutines of publishers, subscribers and other peers
	healing chan struct{}  // closed when all faults have ended
	ending  chan struct{}  // closed when all is to end
}

// The last of a simulation's time: after healing it has convergeIn to
// come to rest.
const (
	convergeIn = 10 * time.Second
	closing    = 2 * time.Second
)

// simulate runs one seed, in a bubble, and returns its trace. Half of the seeds
// run on one processor, so that what happens at one instant happens in one
// order: with more processors it is open, for example, whether a connection's
// writer finds one message or two, which under TLS are read when both are
// whole. The other half keeps all processors, because only there two goroutines
// meet within a function. Under the race detector all seeds do, because it
// shuffles goroutines anyway.
func simulate(t *testing.T, seed uint64, duration time.Duration, report invariant.Report) (trace string) {
	if !underRace && !parallel(seed) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	before := measure()
	synctest.Test(t, func(t *testing.T) {
		w := &simulation{seed: seed, duration: duration, began: time.Now(), report: report, healing: make(chan struct{}), ending: make(chan struct{})}
		w.populate()
		w.run()
		trace = w.traces()
	})
	before.check(report)
	return trace
}

// parallel draws whether the seed runs on all processors. Its replay is not
// exact.
func parallel(seed uint64) bool { return rand.New(rand.NewPCG(seed, hash("processors"))).IntN(2) == 0 }

// populate draws the actors.
func (w *simulation) populate() {
	w.keys = drawKeys(w.seed)
	w.host = newHost(w)
	for _, kind := range []publishing{throughJobs, throughPublish, inBursts, atBounds} {
		w.publishers = append(w.publishers, newPublisher(w, kind))
	}
	w.cfg.Logger = slog.New(atSubscribing{publisher: newPublisher(w, "at subscribing")})
	for i, make := range []func(*actor) profile{healthyHandler, healthyLoop, patient, small, selective, returning, anything, mixed} {
		w.subscribers = append(w.subscribers, newSubscriber(w, i, make))
	}
	w.bad, w.guest, w.newcomers, w.strangers = newBadPeer(w), newGuest(w), newNewcomers(w), newStrangers(w)
	w.historian = newHistorian(w)
	w.driver = newDriver(w)
	for _, s := range w.subscribers[1:] { // the first is the plainest
		s.drawEndpoint()
	}
}

// link returns a new link for the actor, which is at the IP address.
func (w *simulation) link(e *actor, ip string, latency, jitter time.Duration, buffer, pieces int) *faultnet.Link {
	l := w.net.Link(ip, faultnet.Shape{
		Latency: latency.Truncate(grid), Jitter: jitter.Truncate(grid), Buffer: buffer, Pieces: pieces, TLS: w.keys != nil,
		Grid: grid, Offset: w.actor(e.name + "/link").offset,
	}, e.rand.Uint64())
	w.links = append(w.links, l)
	return l
}

// run lives through it: faults, healing, rest, end.
func (w *simulation) run() {
	w.host.start()
	for _, p := range w.publishers {
		w.working.Go(p.live)
	}
	for _, s := range w.subscribers {
		w.working.Go(s.live)
	}
	for _, live := range []func(){w.bad.live, w.guest.live, w.newcomers.live, w.strangers.live, w.historian.live} {
		w.working.Go(live)
	}
	w.driver.live(w.began.Add(w.duration - convergeIn - closing))
	healed := time.Now()
	close(w.healing)
	w.driver.sleepUntil(healed.Add(convergeIn))
	for _, s := range w.subscribers {
		s.converged()
	}
	w.end()
}

// end ends everybody and looks at what is left.
func (w *simulation) end() {
	close(w.ending)
	w.host.stop()
	w.working.Wait()
	synctest.Wait()
	if clients, servers := w.net.Open(); clients+servers > 0 {
		w.violated(invariant.Bounded, "%d connections and listeners of clients and %d of servers are left open", clients, servers)
	}
	if left := strayGoroutines(""); len(left) > 0 {
		w.violated(invariant.Bounded, "%d goroutines are left after Close:\n%s", len(left), strings.Join(left, "\n\n"))
	}
}

func (w *simulation) violated(name, format string, args ...any) {
	w.report(invariant.Violation{Invariant: name, Detail: fmt.Sprintf(format, args...)})
}

// healed reports whether the faults are over.
func (w *simulation) healed() bool { return isClosed(w.healing) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// traces returns what everybody did.
func (w *simulation) traces() string {
	var all strings.Builder
	for _, e := range w.actors {
		all.WriteString(e.trace.String())
	}
	return all.String()
}
