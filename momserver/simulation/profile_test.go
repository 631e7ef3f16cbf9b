package simulation_test

import (
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
)

// profile are how a subscriber and its link are.
type profile struct {
	opts     momclient.Options
	healthy  bool          // no faults on its link, and a handler that is quick
	beside   bool          // behind the address of the strangers
	loops    frequency     // takes its events in a range loop
	batch    int           // most events in a turn of the loop; 0 for one event in each turn
	breaks   bool          // leaves the loop at times
	blocks   int           // the handler blocks once in so many events; 0 for never
	panics   bool          // the handler panics at times
	mixes    bool          // takes its events both ways, and interferes with itself; see interfere
	stays    time.Duration // unsubscribes, at times, after so long; 0 for never
	returns  time.Duration // closes its client, at times, after so long, and comes back
	patience time.Duration // for Subscribe
	latency  time.Duration
	buffer   int
	pieces   int // that a message arrives in
	period   time.Duration
	backs    int // the server dials back in one of this many worlds; 0 for never
}

type frequency int

const (
	never frequency = iota
	sometimes
	always
)

func ordinary(e *actor) profile {
	return profile{patience: 20*time.Second + 7*e.offset, latency: e.between(grid, 20*time.Millisecond), buffer: one(e, 2<<10, 8<<10, 64<<10), pieces: 1 + e.rand.IntN(3), period: e.between(time.Second, 3*time.Second), backs: 3}
}

// healthyHandler is the reference: nothing is wrong with it, ever.
func healthyHandler(e *actor) profile {
	t := ordinary(e)
	t.healthy, t.opts.AutoReconnect, t.opts.From = true, true, wire.FromOldest
	t.latency, t.buffer, t.pieces, t.backs = grid, 256<<10, 1, 0
	return t
}

// healthyLoop is another healthy subscriber, with a range loop. It may get no
// event for a long time, and its own pings do not keep the connection alive,
// because its Period is longer than the silence that it accepts.
func healthyLoop(e *actor) profile {
	t := healthyHandler(e)
	t.loops, t.opts.From, t.pieces, t.backs = always, wire.FromNow, 2, 2
	t.beside = true
	t.period = 8 * time.Second
	if !e.odds(3) {
		t.opts.Filter = wire.Filter{Names: []string{"bursts b"}, Severity: wire.SeverityError}
	}
	return t
}

// patient leaves all to AutoReconnect.
func patient(e *actor) profile {
	t := ordinary(e)
	t.opts.AutoReconnect, t.opts.From = true, one(e, wire.FromNow, wire.FromOldest)
	t.panics = true
	return t
}

// small has little room, and a handler that blocks.
func small(e *actor) profile {
	t := patient(e)
	t.opts.Queue, t.blocks = 1+e.rand.IntN(8), 15
	t.latency = min(t.latency, time.Millisecond) // each event may take two ways
	t.opts.AutoReconnect = e.odds(2)
	return t
}

// selective filters.
func selective(e *actor) profile {
	t := anything(e)
	t.opts.Filter = one(e,
		wire.Filter{Names: []string{"jobs a", "publish b"}},
		wire.Filter{States: []wire.State{wire.JobInitialized, wire.ExportingError, wire.JobCompleted}},
		wire.Filter{Severity: wire.SeverityWarning},
		wire.Filter{Names: []string{"bursts a"}, Severity: wire.SeverityError},
		wire.Filter{Outcomes: []wire.Outcome{wire.Failed, wire.Cancelled}},
	)
	return t
}

// returning goes away and comes back with its cursor.
func returning(e *actor) profile {
	t := anything(e)
	t.returns = 12 * time.Second
	return t
}

// anything draws all of it.
func anything(e *actor) profile {
	t := ordinary(e)
	t.opts.AutoReconnect, t.opts.From = e.odds(2), one(e, wire.FromNow, wire.FromOldest)
	t.loops, t.breaks, t.batch = one(e, never, sometimes, always), e.odds(2), one(e, 0, 0, 1, 5, 100)
	t.opts.Queue, t.panics = one(e, 1, 5, 50, 4096), false
	t.opts.QueueBytes = one(e, 300, 16<<20)
	t.blocks = one(e, 0, 10, 40)
	t.latency = min(t.latency, time.Duration(t.opts.Queue)*time.Millisecond)
	t.stays = one(e, 0, 3*time.Second, 15*time.Second)
	return t
}

// mixed takes its events both by a handler and by a range loop.
func mixed(e *actor) profile {
	t := ordinary(e)
	t.mixes, t.loops, t.breaks = true, sometimes, true
	t.opts.AutoReconnect, t.opts.From = e.odds(4), one(e, wire.FromNow, wire.FromOldest)
	t.opts.Queue = one(e, 20, 4096)
	t.stays = 10 * time.Second
	return t
}
