package simulation_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire/wiretest/invariant"
)

const address = "server:7420"

// theToken is what every honest client brings, whether or not the server wants it.
const theToken = "the token"

// host is the machine on which the servers run, one after another.
type host struct {
	*actor
	served chan error // what Serve returned

	mu       sync.Mutex // guards all below
	srv      *momserver.Server
	up       bool
	started  time.Time
	stopping time.Time // when srv was told to end; zero for not
	lives    int
}

func newHost(w *simulation) *host {
	h := &host{actor: w.actor("host"), served: make(chan error, 1)}
	w.cfg = momserver.Config{
		CacheEvents: one(h.actor, 16, 40, 100, 300),
		CacheBytes:  one(h.actor, 16<<10, 64<<10, 64<<20),
		BatchBytes:  one(h.actor, 1<<10, 4<<10, 64<<10),
		Window:      one(h.actor, 0, 20, 40), // less, and held answers alone make a burst lag
		// Each of these is apart from the others, and from their sums.
		Heartbeat:        one(h.actor, time.Second, 3*time.Second) + 70*time.Nanosecond,
		CallTimeout:      one(h.actor, 2*time.Second, 5*time.Second) + 110*time.Nanosecond,
		HandshakeTimeout: 4*time.Second + 130*time.Nanosecond,
		MessageTimeout:   one(h.actor, 2*time.Second, 5*time.Second) + 170*time.Nanosecond,
		DialTimeout:      3*time.Second + 310*time.Nanosecond,
		MaxRuns:          12,
		MaxEventBytes:    16 << 10,
		IdleTimeout:      6*time.Second + 370*time.Nanosecond,
		DialsPerMinute:   1000, // else who has lost many connections would wait for a minute
		DialContext:      w.dialBack,
		TLS:              w.keys.ofServer(),
		MaxSubscribers:   64,
		LogPerSecond:     1000,

		MaxSnapshotEvents: one(h.actor, 0, 3, 20),
		Token:             one(h.actor, "", theToken),
	}
	return h
}

// start starts a server: a new epoch.
func (h *host) start() {
	srv := momserver.New(h.w.cfg)
	l, err := h.w.net.Listen(address)
	if err != nil {
		panic(err)
	}
	h.mu.Lock()
	h.srv, h.up, h.started, h.stopping = srv, true, time.Now(), time.Time{}
	h.lives++
	h.mu.Unlock()
	h.w.ledger.Begin(srv.Epoch())
	h.did("server %d", h.lives)
	go func() { h.served <- srv.Serve(l) }()
}

// current returns the server, nil while there is none that takes events.
func (h *host) current() *momserver.Server {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.up {
		return nil
	}
	return h.srv
}

// upSince returns since when the server has been up; false while it is not.
func (h *host) upSince() (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.started, h.up
}

// down has publishers stop.
func (h *host) down() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up, h.stopping = false, time.Now()
}

// crash ends the server without a word to anybody: what it would say stays on
// a network that is blocked meanwhile.
func (h *host) crash(block, restore func()) {
	h.down()
	block()
	h.sleep(0)
	h.close()
	restore()
}

// shutdown ends the server in good order, as far as that goes.
func (h *host) shutdown(within time.Duration) {
	h.down()
	h.sleep(publishersLeave)
	ctx, cancel := context.WithTimeout(context.Background(), within+190*time.Nanosecond)
	defer cancel()
	start := time.Now()
	err := h.srv.Shutdown(ctx)
	h.did("shut down: %v", err == nil)
	if took := time.Since(start); took > within+time.Millisecond {
		h.w.violated(invariant.Bounded, "Shutdown took %v, and had %v", took, within)
	}
	h.close()
}

// stop closes the last server, with everybody connected.
func (h *host) stop() {
	h.down()
	h.close()
}

func (h *host) close() {
	start := time.Now()
	stuck := time.AfterFunc(time.Minute, func() { h.w.violated(invariant.Bounded, "Close has not returned for a minute") })
	h.srv.Close()
	stuck.Stop()
	if took := time.Since(start); took > 0 {
		h.w.violated(invariant.Bounded, "Close took %v", took)
	}
	h.did("closed")
	if err := <-h.served; err != momserver.ErrServerClosed {
		h.w.violated(invariant.Bounded, "Serve returned %v", err)
	}
	if _, servers := h.w.net.Open(); servers > 0 {
		h.w.violated(invariant.Bounded, "Close has left %d connections and listeners open", servers)
	}
	if left := strayGoroutines("mom.internal/momserver."); len(left) > 0 {
		h.w.violated(invariant.Bounded, "Close has left %d goroutines:\n%s", len(left), strings.Join(left, "\n\n"))
	}
	h.w.refusesAll(h.srv)
	h.w.checkGone(h.srv)
	h.w.checkDrops(h.srv.Stats(), h.stopping)
}
