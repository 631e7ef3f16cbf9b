package history

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// Limits bounds what a history keeps. Each comment ends with the field of
// momserver.Config that the limit is.
type Limits struct {
	Events     int           // in the cache; CacheEvents
	Bytes      int           // of events in the cache; CacheBytes
	EventBytes int           // of one event; MaxEventBytes
	Runs       int           // unfinished ones; MaxRuns
	Jobs       int           // whose latest event is kept; MaxJobs
	RunSilence time.Duration // after which a run may give way to a new one; MaxRunSilence
}

// History holds the newest events, and the latest event of every unfinished run
// at the two edges of the cache.
//
// At the tail, that is the latest event among those that have left the cache. A
// reader that goes on at the tail needs just these events. So a snapshot at the
// tail followed by the cache says the same as a snapshot at the head.
type History struct {
	epoch  uuid.UUID
	types  []byte // type definitions of the encoder
	limits Limits

	// Begin holds beginning, so that Publish and the readers compete for mu with only
	// one of the goroutines that call Begin.
	beginning sync.Mutex

	// mu guards all below. It is held while one event is encoded and stored, or
	// two events if one run gives way to another; while events leave a full cache;
	// while a snapshot is taken, which copies about two pointers at most for each
	// unfinished run; and while Jobs copies the figures of the jobs that its caller
	// asks for. No other lock is taken while mu is held.
	mu     sync.Mutex
	closed bool
	enc    *protocol.EventEncoder
	cache  cache
	runs   runs
	jobs   jobs
}

// New returns an empty history with a new epoch.
func New(limits Limits) *History {
	h := &History{epoch: uuid.New(), limits: limits, enc: protocol.NewEventEncoder(), cache: newCache(), jobs: jobs{bound: limits.Jobs}}
	h.types = h.enc.Types()
	return h
}

// Epoch returns the epoch of the history's cursors.
func (h *History) Epoch() uuid.UUID { return h.epoch }

// Types returns the gob type definitions that a decoder needs before the first
// event. The caller does not change them.
func (h *History) Types() []byte { return h.types }

// Publish gives the event, published at the time at, the next Seq, and appends
// it. ofJob is set if the run has an owner that ends it; such a run never gives
// way.
//
// Publish refuses the event, and changes nothing, after Close, over the bound
// of one event, if the event's run has given way, and if the event begins a run
// over the bound of unfinished runs. In the last case, Publish instead ends the
// run that has been silent longest, if that was silent for Limits.RunSilence or
// longer.
func (h *History) Publish(ev *wire.Event, at time.Duration, ofJob bool) error {
	m := meta{Class: Class{ev.Data.Status.State, ev.Severity(), ev.Outcome()}, at: at}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return wire.Errorf(wire.Closed, "momserver: Publish after Shutdown or Close")
	}
	if h.runs.gaveWay(ev.RunID) {
		return wire.Errorf(wire.RunEnded, "momserver: cannot publish %v: the server ended this run after Config.MaxRunSilence without an event", ev.Data.Status.State)
	}
	run := h.runs.get(ev.RunID)
	over := !m.final() && h.runs.unfinished() >= h.limits.Runs && !run.isUnfinished()
	err := h.encode(ev, run, m, ofJob, over)
	h.runs.forget(ev.RunID, run)
	for h.cache.len() > h.limits.Events || h.cache.bytes > h.limits.Bytes && h.cache.len() > 1 {
		h.evict()
	}
	return err
}

// encode encodes and appends the event. If over is set, the event begins a run
// over the bound of unfinished runs, so encode first ends a silent run, which
// gives way, or refuses the event if there is none. mu is held.
func (h *History) encode(ev *wire.Event, run *runState, m meta, ofJob, over bool) (err error) {
	var silent *runState
	var end meta
	var last []byte          // endEvent, encoded
	var endEvent *wire.Event // the event that ends the run silent
	if over {
		if silent = h.runs.silentFor(h.limits.RunSilence, m.at); silent == nil {
			return wire.Errorf(wire.Full, "momserver: %d unfinished runs already (Config.MaxRuns)", h.limits.Runs)
		}
		if endEvent, end, last, err = h.encodeEnd(silent, m.at); err != nil {
			return err
		}
	}
	ev.Seq = h.cache.head + 1
	if silent != nil {
		ev.Seq++
	}
	var data []byte
	if m.def, data, err = h.enc.Encode(ev, &run.common, h.limits.EventBytes); err != nil {
		return err
	}
	if silent != nil {
		h.append(endEvent, end, last, silent, false)
		h.runs.giveWay(end.def.RunID(), h.limits.Runs)
	}
	h.append(ev, m, data, run, ofJob)
	return nil
}

// append appends ev to the cache, encoded as data, and makes it the latest event of
// its run and its job. mu is held.
func (h *History) append(ev *wire.Event, m meta, data []byte, run *runState, ofJob bool) {
	e := h.cache.append(m, data)
	if !run.isUnfinished() {
		run.began = e.at
	}
	h.runs.publish(run, &e, ofJob)
	h.jobs.publish(&e).count(run, ev, &e)
}

// encodeEnd encodes the event that ends a silent run: a copy of the run's
// latest event without its package, and with the reason in the log. mu is held.
func (h *History) encodeEnd(run *runState, at time.Duration) (ev *wire.Event, m meta, data []byte, err error) {
	var known protocol.SentDefs
	was := run.head.e
	err = protocol.NewEventDecoder(h.types).Decode(append(known.Append(nil, was.def), was.data...), 1, func(e *wire.Event) { ev = e })
	if err != nil {
		panic(err) // the cache holds what this process encoded
	}
	now := time.Now().UTC()
	ev.Seq = h.cache.head + 1
	ev.Data.Header, ev.Data.Body = nil, nil
	ev.Data.Progress.Errors++
	ev.Data.Status = wire.Status{State: wire.ExportingError, Final: true, Outcome: wire.Failed, SentTime: now, ReceivedTime: now, Log: []wire.LogEntry{{
		Time: now, Severity: wire.SeverityError,
		Message: fmt.Sprintf("no event of this run was published for %v (Config.MaxRunSilence), and a new run needed its place (Config.MaxRuns)", (at - run.spoke).Truncate(time.Second)),
	}}}
	m = meta{Class: Class{wire.ExportingError, wire.SeverityError, wire.Failed}, at: at}
	m.def, data, err = h.enc.Encode(ev, &run.common, h.limits.EventBytes)
	for _, leaveOut := range []func(){ // one after another, while the event is too large
		func() { ev.Data.Initialize = nil },
		func() { ev.Data.Status.Log = nil },
		func() { ev.Data.Progress = wire.Progress{Errors: 1} },
	} {
		if errors.Is(err, wire.TooLarge) {
			leaveOut()
			m.def, data, err = h.enc.Encode(ev, &run.common, h.limits.EventBytes)
		}
	}
	return ev, m, bytes.Clone(data), err
}

// evict moves the oldest event out of the cache, to the tail. mu is held.
func (h *History) evict() {
	e := h.cache.at(h.cache.oldest)
	h.runs.evict(e)
	h.jobs.evict(e)
	if def, seq := h.cache.lagging(); def != nil {
		h.runs.detach(def, seq)
	}
	h.cache.dropOldest()
}

// Close makes Publish refuse further events.
func (h *History) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
}

// Head returns the Seq of the newest event; 0 for none.
func (h *History) Head() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cache.head
}

// Figures counts what a history holds.
type Figures struct {
	Head      uint64                  // Seq of the newest event
	Events    int                     // in the cache
	Bytes     int                     // of these events
	Oldest    time.Duration           // when the oldest cached event was published; 0 if none is cached
	Runs      int                     // that are unfinished
	Jobs      map[wire.State]int      // by the state of their latest event
	JobsEnded map[wire.Outcome]int    // by the outcome of their latest event, if that ended a run
	RunsEnded map[wire.Outcome]uint64 // by outcome
}

// Figures returns the figures of one instant.
func (h *History) Figures() Figures {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := Figures{
		Head: h.cache.head, Events: h.cache.len(), Bytes: h.cache.bytes, Runs: h.runs.unfinished(),
		Jobs: counted(wire.States(), &h.jobs.counts.states), JobsEnded: counted(wire.Outcomes(), &h.jobs.counts.outcomes), RunsEnded: counted(wire.Outcomes(), &h.runs.ended),
	}
	if f.Events > 0 {
		f.Oldest = h.cache.at(h.cache.oldest).at
	}
	return f
}
