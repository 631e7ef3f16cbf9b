package simulation_test

import (
	"context"
	"errors"
	"runtime"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
)

// mixed_test.go holds what a subscriber does that mixes the two ways of taking
// events: its handler and its range loop take over from one another, and each
// of them, or another goroutine, ends the subscription while an event is being
// handled.

// The interferences with a subscription while one of its events is handled.
const (
	cuts         = "cuts the connection"
	unsubscribes = "unsubscribes"
	resubscribes = "unsubscribes and subscribes"
	closes       = "closes the client"
)

// interfere makes the handling of an event last, so that further events wait
// behind it, and at times interferes with the subscription meanwhile, from
// within the handling or from another goroutine.
func (s *subscriber) interfere(as *actor) {
	if s.w.healed() || !as.odds(8) {
		return
	}
	c, half := s.client, as.between(200*time.Millisecond, 1200*time.Millisecond)
	what := one(as, cuts, cuts, cuts, unsubscribes, resubscribes, closes)
	as.did("%s while it handles an event", what)
	if as.odds(2) || what == cuts && !as.odds(3) {
		as.sleep(2 * half)
		s.interfereBy(what, c)
	} else {
		s.w.working.Go(func() {
			as.sleep(half)
			s.interfereBy(what, c)
		})
		as.sleep(2 * half)
	}
	if as == s.handler && what == cuts {
		select {
		case <-s.handover:
		case <-time.After(time.Second):
			as.sleep(0)
		}
	}
}

func (s *subscriber) interfereBy(what string, c *momclient.Client) {
	if what == cuts {
		s.link.Cut()
		return
	}
	s.leaves()
	if what == closes {
		s.mu.Lock()
		s.gone = c
		s.mu.Unlock()
		c.Close()
		return
	}
	c.Unsubscribe()
	s.stream.Unsubscribed()
	if what == resubscribes {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second+s.offset)
		defer cancel()
		if c.Subscribe(ctx) != nil {
			s.stream.Unsubscribed()
		}
	}
}

// next prepares a mixing subscriber's next subscription, after the error of the
// last one, and reports whether it begins at once.
func (s *subscriber) next(c *momclient.Client, err error) bool {
	if s.overtake = s.handOver(); s.overtake {
		return true
	}
	if errors.Is(err, wire.AlreadySubscribed) { // by an interference
		s.leaves()
		c.Unsubscribe()
		s.stream.Unsubscribed()
	}
	return !s.odds(3)
}

// handOver lets a handler return that waits for the end of its subscription, at
// the instant at which a range loop is about to begin, and reports whether there
// was such a handler. On one processor each of the two goes on until it waits;
// on more they meet anywhere in the client's code.
func (s *subscriber) handOver() bool {
	select {
	case s.handover <- struct{}{}:
	default:
		return false
	}
	ahead, pause := s.handled.Load()+uint64(s.rand.IntN(4)), s.rand.IntN(2000)
	for n := 0; s.handled.Load() < ahead && n < 1000; n++ {
		runtime.Gosched()
	}
	for range pause {
		s.handled.Load()
	}
	return true
}

// isGone reports whether an interference has closed the client.
func (s *subscriber) isGone(c *momclient.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone == c
}
