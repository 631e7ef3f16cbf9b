package simulation_test

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/invariant"
)

// promptly is the time within which a healthy subscriber handles an event. It
// handles one event in each grid, so the whole cache and a snapshot before the
// event may take a grid for each of their events. The other 20 grids are for the
// network, and for events that are published meanwhile.
func (w *simulation) promptly() time.Duration {
	return time.Duration(w.cfg.CacheEvents+w.cfg.MaxRuns+20) * grid
}

// settling is how long after its start a server may still get connections that were
// meant for its predecessor.
const settling = 500 * time.Millisecond

// checkPrompt checks that a healthy subscriber gets an event soon, and misses
// nothing that is published while it is there.
func (s *subscriber) checkPrompt(e wire.Event) {
	s.mu.Lock()
	connected, epoch := s.connected, s.epoch
	s.epoch = e.Epoch
	s.mu.Unlock()
	if !s.healthy || connected.IsZero() {
		return
	}
	if e.Missed > 0 && e.Epoch == epoch {
		s.w.violated(invariant.Healthy, "%s missed %d events before %d", s.name, e.Missed, e.Seq)
	}
	since := s.w.ledger.At(e.Cursor())
	if since.Before(connected) {
		since = connected
	}
	if took := time.Since(since); took > s.w.promptly() && !e.Snapshot {
		s.w.violated(invariant.Healthy, "%s got event %d after %v, and should within %v", s.name, e.Seq, took, s.w.promptly())
	}
}

// checkEnd checks that a healthy subscriber loses its connection with the
// server only.
func (s *subscriber) checkEnd(st momclient.ConnectionStatus) {
	if since, up := s.w.host.upSince(); s.healthy && st.Kind == momclient.Lost && up && time.Since(since) > settling {
		s.w.violated(invariant.Healthy, "%s lost its connection: %v", s.name, st.Err)
	}
}

// attempts is what a client has reported of its attempts to connect.
type attempts struct {
	began  time.Time // when the latest began
	ended  time.Time // when it, or the session that it made, ended
	made   bool      // it made a session
	failed int       // since the last session that held
}

// firstDelay is the longest wait before the first attempt after a session that
// held, unless the server asks for a longer wait.
const firstDelay = 200 * time.Millisecond

// checkAttempt checks that the waits between attempts begin anew after a session
// that held for a Period. mu is held.
func (s *subscriber) checkAttempt(st momclient.ConnectionStatus) {
	a := &s.attempts
	switch st.Kind {
	case momclient.Connecting:
		a.began, a.made = st.Time, false
	case momclient.Connected, momclient.Resumed:
		a.made = true
	case momclient.Lost, momclient.Refused:
		a.ended = st.Time
	case momclient.Closed:
		a.failed = 0
	case momclient.Reconnecting:
		if a.made && a.ended.Sub(a.began) > s.opts.Period {
			a.failed = 0
		}
		a.failed++
		var e *wire.Error
		asked := errors.As(st.Err, &e) && e.After > 0
		if st.Attempt != a.failed || st.Attempt == 1 && st.Delay > firstDelay && !asked {
			s.w.violated(invariant.Liveness, "%s waits for %v before attempt %d, which is the %dth", s.name, st.Delay, st.Attempt, a.failed)
		}
	}
}

// look looks at what is bounded, and for calls that wait.
func (w *simulation) look() {
	for _, p := range w.publishers {
		p.checkStuck()
	}
	srv := w.host.current()
	if srv == nil {
		return
	}
	st := srv.Stats()
	if st.Cached > w.cfg.CacheEvents || st.CachedBytes > w.cfg.CacheBytes {
		w.violated(invariant.Bounded, "%d events of %d bytes are cached, of at most %d and %d", st.Cached, st.CachedBytes, w.cfg.CacheEvents, w.cfg.CacheBytes)
	}
	for _, sub := range srv.Subscribers() {
		if w.cfg.Window > 0 && sub.InFlight > w.cfg.Window {
			w.violated(invariant.Bounded, "%d calls to %s are unanswered, of at most %d", sub.InFlight, sub.Name, w.cfg.Window)
		}
	}
	w.checkSizes(srv)
	if n := liveObjects(); n > maxHeap {
		w.violated(invariant.Bounded, "%d bytes on the heap", n)
	}
}

// checkDrops checks the reasons of a server's drops against what the network
// knows. The server was told to end at stopping.
func (w *simulation) checkDrops(st momserver.Stats, stopping time.Time) {
	slices.SortFunc(st.Dropped, func(a, b momserver.Drop) int { // those of one instant have no order
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Name, b.Name))
	})
	for _, d := range st.Dropped {
		w.host.did("dropped %s at %v: %v", d.Name, d.Time.Sub(w.began).Truncate(time.Microsecond), d.Reason)
		if !w.rightReason(d, stopping) {
			w.violated(invariant.Reasons, "%s (%s) was dropped at %v for %q (%s); the network saw %+v", d.Name, d.Addr, d.Time.Sub(w.began), d.Reason, d.Detail, w.seen(d))
		}
	}
}

func (w *simulation) rightReason(d momserver.Drop, stopping time.Time) bool {
	seen := w.seen(d)
	some := func(is func(faultnet.Seen) bool) bool { return slices.ContainsFunc(seen, is) }
	ended := some(func(s faultnet.Seen) bool { return !s.Ended.IsZero() && s.Ended.Before(d.Time) })
	impaired := func(within time.Duration) func(faultnet.Seen) bool {
		return func(s faultnet.Seen) bool { return s.Impaired.After(d.Time.Add(-within - time.Second)) }
	}
	switch d.Reason {
	case momserver.ReasonUnsubscribed:
		return d.Name == unsubscribed || !isRaw(d.Name) && w.subscriber(d.Name).hasLeft(d.Time)
	case momserver.ReasonConnectionLost:
		return some(func(s faultnet.Seen) bool { return !s.Ended.IsZero() && !s.Ended.After(d.Time) })
	case momserver.ReasonCallTimeout:
		// Of the connection that the server calls on: the last of them.
		return !ended && (impaired(w.cfg.CallTimeout)(seen[len(seen)-1]) || d.Name == neverAcks)
	case momserver.ReasonWriteTimeout:
		return !ended && some(func(s faultnet.Seen) bool { return s.WriteTimedOut.Equal(d.Time) })
	case momserver.ReasonStalled:
		return !ended && some(impaired(w.cfg.MessageTimeout))
	case momserver.ReasonProtocol:
		return !ended && (d.Name == lies || d.Name == neverRead)
	case momserver.ReasonShutdown:
		return !ended && !stopping.IsZero() && !stopping.After(d.Time)
	}
	return false
}

// seen returns what the server was told of the subscriber's connections: its
// own, and the callback connection where there is one.
func (w *simulation) seen(d momserver.Drop) []faultnet.Seen {
	seen := []faultnet.Seen{w.net.Seen(d.Addr)}
	if !isRaw(d.Name) {
		if at := w.subscriber(d.Name).endpoint.of(d.Addr); at != "" {
			seen = append(seen, w.net.Seen(at))
		}
	}
	return seen
}

func (w *simulation) subscriber(name string) *subscriber {
	for _, s := range w.subscribers {
		if s.name == name {
			return s
		}
	}
	panic("nobody is called " + name)
}
