package momserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("momserver: server closed")

// Server is a MoM server. Use New.
type Server struct {
	cfg    Config
	hist   *history.History
	sender *sender
	drops  drops
	dials  minuteLimit
	// failures are the greetings that failed.
	failures minuteLimit

	// life ends with Close: what the sender and a dial-back in progress hang on.
	life    context.Context
	endLife context.CancelFunc
	running sync.WaitGroup // every goroutine of the server
	counts  counts

	since   time.Time // when New made it
	latency latency   // of Publish

	mu        sync.Mutex // guards all below; never held across I/O
	phase     phase
	ran       bool // the sender was started
	listeners map[net.Listener]struct{}
	conns     map[*peer]struct{}
	perAddr   map[netip.Addr]int
	greetings pace                 // of connections that are admitted
	refusals  pace                 // of connections that are told why they are refused
	refusing  int                  // connections that are being told so
	subs      map[*subscriber]bool // those that count for MaxSubscribers; true once the subscription is accepted
	jobs      map[*Job]struct{}
}

// phase is a server's place in its life; it only rises.
type phase int

const (
	idle     phase = iota // New: nothing runs
	serving               // the sender runs
	draining              // Shutdown: no new connections, no new events
	closed                // Close: all is being torn down
)

// New returns a server. It starts nothing: events can be published and are
// cached, but nobody is served before Serve.
func New(cfg Config) *Server {
	s := &Server{
		cfg:       cfg.withDefaults(),
		since:     time.Now(),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*peer]struct{}),
		perAddr:   make(map[netip.Addr]int),
		subs:      make(map[*subscriber]bool),
		jobs:      make(map[*Job]struct{}),
	}
	s.life, s.endLife = context.WithCancel(context.Background())
	s.hist = history.New(s.cfg.history())
	s.sender = newSender(s)
	s.dials.perMinute, s.failures.perMinute = s.cfg.DialsPerMinute, s.cfg.FailuresPerMinute
	greetings := float64(s.cfg.GreetingsPerSecond)
	s.greetings = pace{perSecond: greetings, burst: greetings}
	s.refusals = pace{perSecond: refusalsPerSecond, burst: refusalsPerSecond}
	return s
}

// Epoch names this server's life.
func (s *Server) Epoch() uuid.UUID { return s.hist.Epoch() }

// Publish publishes an event: it is the lower door, for servers with a state
// machine of their own. [Server.StartJob] is the upper one.
//
// The event needs a JobID, a RunID and one of the nine states; its Seq and what
// is set on delivery are ignored. Publish marks it Final where its state ends
// the run: always for JobCompleted and ExportingError, and for
// TransferringError and ImportingError unless Initialize says ContinueOnError.
// It does not check transitions.
//
// It never waits for a subscriber. It refuses an event over
// Config.MaxEventBytes or [wire.MaxLogEntries] with [wire.TooLarge], one
// that begins a run over Config.MaxRuns with [wire.Full], and all after
// Shutdown or Close with [wire.Closed]; then nothing has been published. A
// run that Publish began and that has been silent for Config.MaxRunSilence
// gives way to a new run over Config.MaxRuns: the server ends the silent run,
// and refuses further events of that run with [wire.RunEnded]. Publish keeps
// nothing that the event points to.
func (s *Server) Publish(ev wire.Event) error { return s.publish(&ev, false) }

// publish is Publish; ofJob is set if the run has a [Job].
func (s *Server) publish(ev *wire.Event, ofJob bool) error {
	status := &ev.Data.Status
	switch {
	case ev.JobID == uuid.Nil || ev.RunID == uuid.Nil:
		return wire.Errorf(wire.BadRequest, "momserver: an event without a JobID or a RunID")
	case !status.State.Valid():
		return wire.Errorf(wire.BadRequest, "momserver: an event of %v, which is no state", status.State)
	}
	goesOn := ev.Data.Initialize != nil && ev.Data.Initialize.ContinueOnError
	status.Final = status.Final || status.State.EndsRun(goesOn)
	at := time.Since(s.since)
	if err := s.hist.Publish(ev, at, ofJob); err != nil {
		return err
	}
	s.sender.wake()
	s.latency.observe(time.Since(s.since) - at)
	return nil
}

// ListenAndServe listens on a TCP address, host:port, and serves as Serve does.
func (s *Server) ListenAndServe(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("momserver: cannot listen on %s: %w", addr, err)
	}
	return s.Serve(l)
}

// Serve accepts connections on l until Shutdown or Close, and then returns
// [ErrServerClosed]. It closes l. Errors of Accept that may pass, such as no
// free file descriptor, make it wait and go on. It may be called for several
// listeners.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.addListener(l) {
		return ErrServerClosed
	}
	defer s.removeListener(l)
	if open := s.cfg.exposure(l.Addr()); open != "" {
		s.cfg.Logger.Warn("momserver: "+open, "addr", l.Addr().String())
	}
	var delay time.Duration
	for {
		nc, err := l.Accept()
		if err == nil {
			delay = 0
			if !s.admit(newPeer(s, nc)) {
				nc.Close()
			}
			continue
		}
		if s.over() {
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("momserver: the listener on %v was closed: %w", l.Addr(), err)
		}
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.cfg.Logger.Warn("momserver: accept failed; trying again", "addr", l.Addr().String(), "error", err, "delay", delay)
		select {
		case <-time.After(delay):
		case <-s.life.Done():
			return ErrServerClosed
		}
	}
}

func (s *Server) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase >= draining
}

// addListener registers l and starts the sender with the first; false when the
// server is closed.
func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= draining {
		return false
	}
	if s.phase == idle {
		s.phase, s.ran = serving, true
		s.running.Go(s.sender.run)
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// Shutdown stops the server in good order: it takes no more connections, ends
// unfinished runs with an error event, refuses further events, delivers what is
// cached to the subscribers that keep up, says goodbye to each, and returns nil
// when all its goroutines are gone. A subscriber does not keep up if, for
// Config.CallTimeout, no event could be sent to it and it acknowledged none.
// Such a subscriber gets its goodbye and is dropped with [ReasonShutdown]; the
// Detail of its [Drop] says how many events were not sent to it. Shutdown
// returns no error for that. If ctx ends first, Shutdown closes the rest as
// Close does, and its error names the subscribers that it still waited for.
func (s *Server) Shutdown(ctx context.Context) error {
	jobs, wasServing := s.enter(draining)
	for _, j := range jobs {
		j.abandon("the server shut down before the run ended")
	}
	s.hist.Close()
	if !wasServing {
		return s.Close()
	}
	s.sender.drain()
	var err error
	select {
	case <-s.sender.drained:
	case <-s.life.Done(): // Close came in between
	case <-ctx.Done():
		if err = s.waitedFor(); err != nil {
			err = fmt.Errorf("momserver: shutdown: %w: %w", context.Cause(ctx), err)
		}
	}
	s.Close()
	return err
}

// waitedFor names the subscribers that have not got everything.
func (s *Server) waitedFor() error {
	var behind []error
	for _, sub := range s.Subscribers() {
		behind = append(behind, fmt.Errorf("subscriber %s has not got %d events, %d calls unanswered", sub.label(), sub.Lag, sub.InFlight))
	}
	return errors.Join(behind...)
}

// Close stops the server at once: listeners and connections are closed, and
// Close returns when every goroutine of the server is gone. It does not wait
// for peers. Unfinished runs get their error event in the cache, for nobody.
// It returns nil, always, and may be called again and by several goroutines.
func (s *Server) Close() error {
	jobs, _ := s.enter(draining)
	for _, j := range jobs {
		j.abandon("the server closed before the run ended")
	}
	s.hist.Close()
	s.enter(closed)
	s.endLife()
	s.closeConns()
	s.running.Wait()
	return nil
}

// closeConns ends every connection. A connection that comes later is closed
// by Serve, because the phase has risen.
func (s *Server) closeConns() {
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, p := range conns {
		p.close(wire.Errorf(wire.Closed, "the server closed"))
	}
}

// enter raises the phase and closes the listeners. It returns the open jobs,
// and whether the sender was started.
func (s *Server) enter(next phase) ([]*Job, bool) {
	s.mu.Lock()
	s.phase = max(s.phase, next)
	listeners, jobs, ran := slices.Collect(maps.Keys(s.listeners)), slices.Collect(maps.Keys(s.jobs)), s.ran
	s.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
	return jobs, ran
}

// addJob registers a run; false when the server is closed.
func (s *Server) addJob(j *Job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= draining {
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
