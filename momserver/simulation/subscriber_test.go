package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/invariant"
)

// subscriber is an application with a client: one momclient.Client after
// another, each going on where the last one was.
type subscriber struct {
	*actor
	profile
	ip       string
	link     *faultnet.Link
	endpoint *endpoint // where the server dials back to; nil for not
	stream   *invariant.Stream
	handler  *actor // what draws and acts in the handler
	looper   *actor // and in the range loop
	told     *actor // traces the statuses

	client   *momclient.Client // owned by live
	ended    chan struct{}     // rung when a subscription has ended, and not by Unsubscribe
	lineage  int               // clients so far
	overtake bool              // the next subscription is a range loop; see handOver

	handover chan struct{} // wakes a handler that waits for handOver
	handled  atomic.Uint64 // events that handle was called for
	place    sync.Mutex    // held while the client's cursor is put to the stream

	mu        sync.Mutex // guards all below
	handlers  int        // that run
	connected time.Time  // since when; zero for not
	epoch     uuid.UUID  // of the latest event
	left      []time.Time
	gone      *momclient.Client // the latest that was closed by an interference
	attempts  attempts
}

// newSubscriber draws the i-th.
func newSubscriber(w *simulation, i int, draw func(*actor) profile) *subscriber {
	name := fmt.Sprint("client", i)
	s := &subscriber{actor: w.actor(name), ip: fmt.Sprint("10.0.0.", i+1), ended: make(chan struct{}, 1), handover: make(chan struct{})}
	s.handler, s.looper = w.actor(name+"/handler"), w.actor(name+"/loop")
	s.told = w.actor(name + "/status")
	s.profile = draw(s.actor)
	if s.beside {
		s.ip = strangersNetwork(0xffff)
	}
	s.link = w.link(s.actor, s.ip, s.latency, s.latency, s.buffer, s.pieces)
	s.stream = invariant.NewStream(&w.ledger, s.opts.Filter, func(v invariant.Violation) {
		v.Detail = s.name + ": " + v.Detail
		w.report(v)
	})
	s.opts.Name, s.opts.Token = name, theToken
	s.opts.Period = s.period + s.offset
	s.opts.DialTimeout = 5*time.Second + 3*s.offset
	s.opts.CallTimeout = 5*time.Second + 5*s.offset
	s.opts.DialContext = s.link.DialContext
	s.opts.TLS = w.keys.ofClient()
	s.opts.OnPanic = func(p *momclient.PanicError) { s.handler.did("panicked at %d", p.Event.Seq) }
	return s
}

// live subscribes, again and again, until all is to end.
func (s *subscriber) live() {
	var cursor wire.Cursor
	for !isClosed(s.w.ending) {
		opts := s.opts
		if opts.Cursor = cursor; s.lineage > 0 {
			s.stream.Restarted(cursor)
		}
		s.lineage++
		s.client = momclient.New(address, opts)
		s.client.OnConnection(s.status)
		s.client.OnEvent(func(e wire.Event) { s.handle(e, s.handler) })
		s.did("client %d from %v", s.lineage, cursor.Seq)
		s.runClient(s.client)
		cursor = s.close()
		s.pause(0, 3*time.Second)
	}
}

// close closes the client and returns the cursor that it leaves.
func (s *subscriber) close() wire.Cursor {
	s.leaves()
	start := time.Now()
	s.client.Close()
	if took := time.Since(start); took > time.Second+time.Millisecond {
		s.w.violated(invariant.Bounded, "%s: Close took %v", s.name, took)
	}
	for s.handling() {
		s.sleep(50 * time.Millisecond)
	}
	s.sleep(0)
	s.did("closed")
	return s.client.Cursor()
}

// leaves notes that the subscription is ended from this side.
func (s *subscriber) leaves() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, time.Now())
}

// hasLeft reports whether it has ended a subscription before.
func (s *subscriber) hasLeft(by time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.left) > 0 && !s.left[0].After(by)
}

func (s *subscriber) handling() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handlers > 0
}

// runClient uses a client until it is to be closed.
func (s *subscriber) runClient(c *momclient.Client) {
	until := time.Now().Add(24 * time.Hour)
	if s.returns > 0 {
		until = time.Now().Add(s.between(s.returns/4, s.returns))
	}
	for !isClosed(s.w.ending) && (s.w.healed() || time.Now().Before(until)) && !s.isGone(c) {
		ctx, cancel := context.WithCancel(context.Background())
		stay := until
		if s.stays > 0 && !s.w.healed() {
			stay = time.Now().Add(s.between(s.stays/4, s.stays))
		}
		var err error
		if loop := s.overtake || s.loops == always || s.loops == sometimes && s.odds(2); loop {
			err = s.runLoop(ctx, cancel, c, stay)
		} else {
			err = s.runHandler(ctx, c, stay)
		}
		cancel()
		if s.mixes && s.next(c, err) {
			continue
		}
		s.pause(20*time.Millisecond, 500*time.Millisecond)
	}
}

// pause sleeps, but for less when all is to end.
func (s *subscriber) pause(from, to time.Duration) {
	if s.w.healed() {
		from, to = grid, 100*time.Millisecond
	}
	s.sleep(s.between(from, to))
}

// wait waits until the time, or until the subscription ends by itself, which
// it reports, or until all is to end. At the healing it looks for whether it
// should stay.
func (s *subscriber) wait(until time.Time) (ended bool) {
	for {
		timer := time.NewTimer(time.Until(until.Truncate(grid).Add(s.offset)))
		healing := s.w.healing
		if s.w.healed() {
			healing = nil
			timer.Stop()
		}
		select {
		case <-timer.C:
			return false
		case <-s.ended:
			timer.Stop()
			return true
		case <-healing:
			timer.Stop()
		case <-s.w.ending:
			timer.Stop()
			return false
		}
	}
}

// runHandler subscribes with the handler, and unsubscribes after a while. It
// returns the error of Subscribe.
func (s *subscriber) runHandler(ctx context.Context, c *momclient.Client, stay time.Time) error {
	select {
	case <-s.ended:
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := c.Subscribe(ctx)
	s.did("subscribed: %v", err == nil)
	if err != nil {
		s.leaves()
		s.stream.Unsubscribed() // it goes back to what was handled
		return err
	}
	if s.wait(stay) {
		s.did("lost")
		return nil
	}
	s.leaves()
	c.Unsubscribe()
	s.stream.Unsubscribed()
	s.did("unsubscribed")
	return nil
}

// runLoop takes the events in a loop, and leaves it after a while. It returns
// the error by which the loop ended.
func (s *subscriber) runLoop(ctx context.Context, cancel func(), c *momclient.Client, stay time.Time) (ended error) {
	defer func() {
		if v := recover(); v != nil {
			s.w.violated(invariant.Liveness, "%s: its loop panicked: %v\n%s", s.name, v, debug.Stack())
		}
	}()
	timer := time.AfterFunc(time.Until(stay.Truncate(grid).Add(s.offset)), func() {
		if !s.w.healed() {
			s.leaves()
			cancel()
		}
	})
	defer timer.Stop()
	stopped := make(chan struct{})
	defer close(stopped)
	go func() {
		select {
		case <-s.w.ending:
			s.leaves()
			cancel()
		case <-stopped:
		}
	}()
	// turn handles the events of one turn of the loop, and reports whether another
	// turn follows.
	turn := func(err error, events ...wire.Event) bool {
		if err != nil {
			s.did("loop ended")
			ended = err
			return false
		}
		for _, e := range events {
			s.handle(e, s.looper)
		}
		if s.breaks && !s.w.healed() && s.looper.odds(60) {
			s.did("broke the loop at %d", events[len(events)-1].Seq)
			s.leaves()
			return false
		}
		return true
	}
	if s.batch > 0 {
		c.Batches(ctx, s.batch)(func(b momclient.Batch, err error) bool {
			goOn := turn(err, b.Events...)
			if err == nil {
				s.stream.Cursor(b.Cursor)
			}
			return goOn
		})
	} else {
		c.Events(ctx)(func(e wire.Event, err error) bool { return turn(err, e) })
	}
	s.stream.Unsubscribed()
	return ended
}

// status takes what the client says of its connection.
func (s *subscriber) status(st momclient.ConnectionStatus) {
	s.told.did("%v", st.Kind)
	s.mu.Lock()
	switch st.Kind {
	case momclient.Connected, momclient.Resumed:
		if s.connected.IsZero() {
			s.connected = st.Time
		}
	default:
		s.connected = time.Time{}
	}
	s.checkAttempt(st)
	s.mu.Unlock()
	switch st.Kind {
	case momclient.Connected, momclient.Resumed:
		s.stream.Connected(st.Epoch)
	case momclient.Lost, momclient.Refused, momclient.Closed:
		if !s.opts.AutoReconnect || st.Final || s.mixes && st.Kind == momclient.Closed {
			select {
			case s.ended <- struct{}{}:
			default:
			}
		}
		s.checkEnd(st)
	}
	if st.Final && !errors.Is(st.Err, wire.Closed) {
		s.w.violated(invariant.Liveness, "%s was refused for good: %v", s.name, st.Err)
	}
	if errors.Is(st.Err, wire.ProtocolError) { // no client's fault, and no network's
		s.w.violated(invariant.Published, "%s found the protocol broken: %v", s.name, st.Err)
	}
}

// handle handles an event, as the application's handler or in its loop.
func (s *subscriber) handle(e wire.Event, as *actor) {
	s.mu.Lock()
	s.handlers++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.handlers--
		s.mu.Unlock()
	}()
	s.handled.Add(1)
	s.place.Lock()
	s.stream.Cursor(s.client.Cursor())
	s.place.Unlock()
	s.stream.Event(e)
	s.checkPrompt(e)
	as.did("%d missed %d snapshot %v", e.Seq, e.Missed, e.Snapshot)
	if s.mixes {
		s.interfere(as)
		return
	}
	took := time.Duration(0)
	if s.blocks > 0 && !s.w.healed() && as.odds(s.blocks) {
		took = as.between(0, 4*time.Second)
	}
	as.sleep(took)
	if s.panics && as == s.handler && as.odds(20) {
		panic("the application is not well")
	}
}

// converged checks that all has been told, at the end.
func (s *subscriber) converged() {
	s.stream.Converged(s.w.ledger.Latest(), s.client.Cursor())
}
