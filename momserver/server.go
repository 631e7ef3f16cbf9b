package momserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
)

// ErrServerClosed is the error that Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("momserver: server closed")

// Server is a MoM server, made by [New]. Its methods may be called from several
// goroutines.
//
// A nil *Server is switched off: its Run calls the function that it is given,
// Serve only closes its listener, and the other methods do nothing and return
// zero values. So a program needs no branch for mirroring without monitoring.
type Server struct {
	cfg     Config        // without the Token
	token   func() string // Config.Token, where no function that prints a Server finds it
	hist    *history.History
	sender  *sender
	funcs   configFuncs
	drops   drops
	since   time.Time // when New made the server
	latency latency   // of Publish

	refused atomic.Uint64 // runs, packages and events of progress that were not published
	misuses misuses       // of jobs and packages

	dialLimit      windowLimit // of dial-backs
	failureLimit   windowLimit // of connections that ended before their greeting had succeeded
	failSpacing    spacing     // of greetings from addresses over failureLimit
	subscribeLimit windowLimit // of calls of Subscribe
	subSpacing     spacing     // of calls of Subscribe from addresses over subscribeLimit
	greetingShares windowLimit // of clients that are let in and have proven nothing
	handshakes     *turns      // of TLS handshakes, which leave half of the processors to the rest of the program
	longCalls      *turns      // of clients
	calls          *turns      // of the calls of all clients, which leave half of the processors to the rest of the program

	// life ends with Close, and with it the sender, greetings and dial-backs.
	life    context.Context
	endLife context.CancelFunc
	running sync.WaitGroup // every goroutine of the server

	mu            sync.Mutex // guards all below; never held while waiting
	phase         phase
	senderStarted bool
	listeners     map[net.Listener]struct{}
	conns         map[*clientConn]struct{}
	perAddr       map[netip.Addr]*addrConns // by limitKey of the address
	byUnproven    unprovenHeap              // of perAddr
	accepted      uint64                    // connections that had a place, ever
	callbacks     int                       // subscribers whose callback endpoint the server dials
	greetingRate  rateLimit                 // of clients that are let in and have proven nothing
	refusalRate   rateLimit                 // of connections that are told why they are refused
	revocations   uint64                    // calls of Disconnect
	refusing      int                       // connections that are being told why they are refused
	subs          map[*subscriber]bool      // that count for MaxSubscribers; true once accepted
	filterItems   int                       // IDs and names of jobs in the filters of subs
	subsFrom      map[netip.Addr]addrSubs   // by limitKey of the address
	jobs          map[*Job]struct{}         // runs that have not ended

	// The bounds of connections in effect. Serve lowers them to what the limit of
	// file descriptors allows.
	maxConns        int
	maxConnsPerAddr int
	maxDescriptors  int // of connections and callback connections together
}

// phase is a place in a server's life. It only rises.
type phase int

const (
	created      phase = iota // by New: nothing runs
	serving                   // the sender runs
	shuttingDown              // no new connections, no new events
	closed                    // everything is being closed
)

// New returns a server. It starts nothing: events can be published, and are
// cached, but no client is served before Serve.
func New(cfg Config) *Server {
	s := &Server{
		cfg:       cfg.withDefaults(),
		since:     time.Now(),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*clientConn]struct{}),
		perAddr:   make(map[netip.Addr]*addrConns),
		subsFrom:  make(map[netip.Addr]addrSubs),
		subs:      make(map[*subscriber]bool),
		jobs:      make(map[*Job]struct{}),
	}
	s.token = func() string { return cfg.Token }
	if s.cfg.Token != "" {
		s.cfg.Token = hidden
	}
	s.funcs.setNames()
	s.life, s.endLife = context.WithCancel(context.Background())
	s.hist = history.New(s.cfg.history())
	s.sender = newSender(&s.cfg, s.hist, s.life.Done(), s.endSubscription)
	s.dialLimit.window, s.dialLimit.most = time.Minute, s.cfg.DialsPerMinute
	s.failureLimit.window, s.failureLimit.most = time.Minute, s.cfg.FailuresPerMinute
	s.failSpacing.interval, s.failSpacing.longest = failInterval, min(maxFailWait, s.cfg.HandshakeTimeout/4)
	s.subscribeLimit.window, s.subscribeLimit.most = time.Second, subscribesPerSecond
	s.subSpacing.interval, s.subSpacing.longest = time.Second/subscribesPerSecond, maxSubscribeWait
	s.greetingShares.window, s.greetingShares.most = time.Second, half(s.cfg.GreetingsPerSecond)
	procs := max(1, runtime.GOMAXPROCS(0)/2)
	s.handshakes, s.longCalls, s.calls = newTurns(procs, true), newTurns(1, false), newTurns(procs, false)
	s.maxConns, s.maxConnsPerAddr, s.maxDescriptors = s.cfg.MaxConns, s.cfg.MaxConnsPerAddr, math.MaxInt
	greetings := float64(s.cfg.GreetingsPerSecond)
	s.greetingRate = rateLimit{perSecond: greetings, burst: greetings}
	s.refusalRate = rateLimit{perSecond: refusalsPerSecond, burst: refusalsPerSecond}
	return s
}

// Epoch returns the epoch of this server's events: the part of a [wire.Cursor]
// that identifies this Server. Every [New] has another epoch.
func (s *Server) Epoch() uuid.UUID {
	if s == nil {
		return uuid.Nil
	}
	return s.hist.Epoch()
}

// Publish publishes an event. It is for servers that have a state machine of
// their own; the others use [Server.Run] or [Server.StartJob], which publish
// events.
//
// The event needs a JobID, a RunID and one of the nine states, or else Publish
// returns a [wire.BadRequest] error. Publish ignores Seq and the fields that
// are set on delivery. It sets Status.Final if the state ends the run: always
// for JobCompleted and ExportingError, and for TransferringError and
// ImportingError unless Initialize has ContinueOnError. If the event
// ends the run and its Status.Outcome is zero, Publish sets the outcome that
// [wire.Event.Outcome] derives. In every other event, it clears Status.Outcome. It does not check transitions, so
// that an event of a run that has ended begins the run again. It keeps nothing
// that the event points to.
//
// Publish never waits for a subscriber. If it returns one of these errors, it
// has published nothing:
//
//   - [wire.TooLarge] for an event over Config.MaxEventBytes encoded bytes or
//     [wire.MaxLogEntries] log entries
//   - [wire.Full] for an event that begins a run over Config.MaxRuns
//   - [wire.RunEnded] for an event of a run that has given way
//   - [wire.Closed] after Shutdown or Close
//
// A run that Publish began gives way to a new run over Config.MaxRuns if it has
// been silent for Config.MaxRunSilence. The server then ends it with an
// ExportingError event.
func (s *Server) Publish(ev wire.Event) error {
	if s == nil {
		return nil
	}
	return s.publish(&ev, false)
}

// publish is Publish. ofJob is set if the run has a [Job].
func (s *Server) publish(ev *wire.Event, ofJob bool) error {
	status := &ev.Data.Status
	switch {
	case ev.JobID == uuid.Nil || ev.RunID == uuid.Nil:
		return wire.Errorf(wire.BadRequest, "momserver: an event without a JobID or a RunID")
	case !status.State.Valid():
		return wire.Errorf(wire.BadRequest, "momserver: an event with the state %v, which is none of the nine", status.State)
	}
	goesOn := ev.Data.Initialize != nil && ev.Data.Initialize.ContinueOnError
	status.Final = status.Final || status.State.EndsRun(goesOn)
	if status.Outcome = ev.Outcome(); status.Final && !status.Outcome.Valid() {
		return wire.Errorf(wire.BadRequest, "momserver: an event with the outcome %v, which is none of the four", status.Outcome)
	}
	at := time.Since(s.since)
	if err := s.hist.Publish(ev, at, ofJob); err != nil {
		return err
	}
	s.sender.wake()
	s.latency.observe(time.Since(s.since) - at)
	return nil
}

// Health returns nil while the server serves, from the first Serve to Shutdown
// or Close. Otherwise it returns why not: a [wire.Draining] error during
// Shutdown, [ErrServerClosed] after Shutdown or Close, and another error before
// Serve. It waits neither for publishers nor for subscribers.
func (s *Server) Health() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case created:
		return errors.New("momserver: not serving yet: Serve has not been called")
	case serving:
		return nil
	case shuttingDown:
		return wire.Errorf(wire.Draining, "momserver: the server is shutting down")
	}
	return ErrServerClosed
}

// Shutdown stops the server in good order. It closes the listeners, ends the run of
// each unfinished [Job] with an ExportingError event, refuses further events, and
// delivers the cached events to the subscribers that keep up. It says goodbye to each
// subscriber, and returns nil when all goroutines of the server are gone. The Job does
// not notice the end of its run unless Config.Strict is set.
//
// A subscriber does not keep up if, for Config.CallTimeout, no event could be
// sent to it and it acknowledged none. Such a subscriber gets its goodbye and
// is dropped with [ReasonShutdown]. The Detail of its [Drop] says how many
// events were not sent to it. Shutdown returns no error for that. A subscriber that
// makes progress, but has not received all events after 60 times
// Config.CallTimeout, is dropped then; Shutdown returns no error for that either.
//
// If ctx ends first, Shutdown closes the rest as Close does. It then returns an
// error that wraps the cause of ctx and names the subscribers that it still
// waited for, or nil if there was none.
func (s *Server) Shutdown(ctx context.Context) error {
	if s == nil {
		return nil
	}
	if !s.raisePhase(shuttingDown, "the server shut down before the run ended") {
		return s.Close()
	}
	s.sender.postDrain()
	var err error
	select {
	case <-s.sender.drained:
	case <-s.life.Done(): // Close was called
	case <-ctx.Done():
		var behind []error
		for _, sub := range s.Subscribers() {
			behind = append(behind, fmt.Errorf("subscriber %s has not been sent %d events and has not answered %d calls", label(sub.Name, sub.Addr), sub.Lag, sub.InFlight))
		}
		if len(behind) > 0 {
			err = fmt.Errorf("momserver: shutdown: %w: %w", context.Cause(ctx), errors.Join(behind...))
		}
	}
	s.Close()
	return err
}

// Close stops the server at once. It ends the run of each unfinished [Job] with
// an ExportingError event, which stays in the cache, closes listeners and
// connections, and returns when every goroutine of the server is gone. It does
// not wait for peers. It always returns nil, and may be called again and by
// several goroutines.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	s.raisePhase(closed, "the server closed before the run ended")
	s.endLife()
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.conns)) // Serve closes any later one, because the phase has risen
	s.mu.Unlock()
	for _, c := range conns {
		c.close(wire.Errorf(wire.Closed, "the server closed"))
	}
	s.running.Wait()
	return nil
}

// raisePhase raises the phase, closes the listeners, ends the runs that have not
// ended for the reason why, and refuses further events. It reports whether the
// sender was started.
func (s *Server) raisePhase(next phase, why string) (ran bool) {
	s.mu.Lock()
	s.phase = max(s.phase, next)
	listeners, jobs, ran := slices.Collect(maps.Keys(s.listeners)), slices.Collect(maps.Keys(s.jobs)), s.senderStarted
	s.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
	for _, j := range jobs {
		j.serverStops(why)
	}
	s.hist.Close()
	return ran
}

// stopping reports whether Shutdown or Close has been called.
func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase >= shuttingDown
}

// addJob registers a run. It returns false after Shutdown or Close.
func (s *Server) addJob(j *Job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= shuttingDown {
		return false
	}
	s.jobs[j] = struct{}{}
	return true
}

func (s *Server) removeJob(j *Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, j)
}
