package simulation_test

import (
	"context"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/invariant"
)

// historian asks for cached events, without subscribing, over a link without
// faults.
type historian struct {
	*actor
	client *momclient.Client
	link   *faultnet.Link
	at     wire.Cursor // how far it has read
}

func newHistorian(w *simulation) *historian {
	h := &historian{actor: w.actor("historian")}
	h.link = w.link(h.actor, "10.0.1.3", h.between(grid, 10*time.Millisecond), 0, 8<<10, 1)
	h.client = momclient.New(address, momclient.Options{Token: theToken, DialContext: h.link.DialContext, TLS: w.keys.ofClient()})
	return h
}

func (h *historian) live() {
	defer h.client.Close()
	for !h.w.healed() {
		h.rest(h.between(time.Second, 10*time.Second))
		if srv := h.w.host.current(); srv != nil {
			h.ask(one(h.actor, 0, 20, srv.Stats().Cached/2, srv.Stats().Cached*3/4))
		}
	}
}

// ask asks for up to n events after the last ones, or more often for the oldest.
func (h *historian) ask(n int) {
	since := h.at
	if !h.odds(3) {
		since = wire.Cursor{}
	}
	began, up := h.w.host.upSince()
	events, at, err := h.client.History(context.Background(), since, n)
	now, stillUp := h.w.host.upSince()
	h.did("asked for %d: %d, %v", n, len(events), err == nil)
	switch {
	case err != nil && up && stillUp && began.Equal(now):
		h.w.violated(invariant.Healthy, "the historian got %v", err)
	case err == nil:
		h.check(since, n, events, at)
		h.at = at
	}
}

// check checks that there are n events at most, and that they and the missed
// events add up to all events between the two places.
func (h *historian) check(since wire.Cursor, n int, events []wire.Event, at wire.Cursor) {
	if n > 0 && len(events) > n {
		h.w.violated(invariant.Bounded, "the historian got %d events, and asked for %d", len(events), n)
	}
	next := since.Seq + 1
	if since.Epoch != at.Epoch {
		next = 1
	}
	for i, e := range events {
		if i == 0 && since.IsZero() && e.Missed == 0 {
			next = e.Seq // of the oldest event there is nothing to miss
		}
		if e.Epoch != at.Epoch || e.Seq != next+e.Missed {
			h.w.violated(invariant.Sum, "the historian got event %d, %d missed, and %d was the next", e.Seq, e.Missed, next)
		}
		next = e.Seq + 1
	}
	if len(events) > 0 && at.Seq+1 != next {
		h.w.violated(invariant.Sum, "the historian got events up to %d, and is at %d", next-1, at.Seq)
	}
}
