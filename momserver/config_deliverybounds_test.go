package momserver_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
)

// unhurried is a subscriber that answers when it may, and keeps what each batch
// with events held.
type unhurried struct {
	conn *duplex.Conn
	may  chan struct{} // closed when it may answer

	mu     sync.Mutex // guards the fields below
	counts []int
	bytes  []int
}

// unhurried subscribes one with credit for that many events.
func newUnhurried(s *harness.Server, credit uint64) *unhurried {
	s.T.Helper()
	u := &unhurried{may: make(chan struct{})}
	u.conn = s.Peer()
	go u.conn.Serve(protocol.CallbackService, u)
	u.conn.Client().Go(protocol.MethodSubscribe, &protocol.SubscribeArgs{Credit: protocol.Credit{Events: credit, Bytes: 1 << 40}}, &protocol.Subscribed{}, nil)
	synctest.Wait()
	return u
}

// Notify takes a batch.
func (u *unhurried) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	if u.mu.Lock(); b.Count > 0 {
		u.counts, u.bytes = append(u.counts, int(b.Count)), append(u.bytes, len(b.Events))
	}
	u.mu.Unlock()
	<-u.may
	*ack = protocol.Ack{Events: 1 << 20, Bytes: 1 << 40}
	return nil
}

// got returns how many events came in each batch, and their bytes.
func (u *unhurried) got() (counts, bytes []int) {
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.counts), slices.Clone(u.bytes)
}

// patient waits for answers as long as it can.
func patient(cfg momserver.Config) momserver.Config {
	cfg.CallTimeout, cfg.Heartbeat = time.Hour, protocol.MaxHeartbeat
	return cfg
}

// holdsBatchBytes has three events wait for room: they come in one batch of
// just so many bytes, or else in two.
func holdsBatchBytes(t *testing.T) {
	three := func(most int) (counts, bytes []int) {
		harness.Serve(t, momserver.Config{BatchBytes: most}, func(s *harness.Server) {
			u := newUnhurried(s, 0)
			s.PublishN(3)
			synctest.Wait()
			close(u.may) // and its first answer has room
			counts, bytes = u.got()
			u.conn.Close(wire.Errorf(wire.Closed, "enough"))
		})
		return counts, bytes
	}
	_, bytes := three(0)
	for most, want := range map[int]string{bytes[0]: "[3]", bytes[0] - 1: "[2 1]"} {
		if counts, _ := three(most); fmt.Sprint(counts) != want {
			t.Errorf("with %d bytes at most, batches of %v events; want %s", most, counts, want)
		}
	}
}

// inFlight publishes events one by one and wants so many calls unanswered in
// the end, of which the first has none of them.
func inFlight(t *testing.T, cfg momserver.Config, events, want int) {
	t.Helper()
	harness.Serve(t, patient(cfg), func(s *harness.Server) {
		u := newUnhurried(s, 100)
		for i := range events {
			s.PublishN(1)
			synctest.Wait()
			sub := s.Subscribers()[0]
			if n := min(i+2, want); sub.InFlight != n || sub.Lag != uint64(i+2-n) {
				t.Errorf("after event %d: %d calls unanswered, %d events not sent; want %d calls", i+1, sub.InFlight, sub.Lag, n)
			}
		}
		close(u.may)
		if counts, _ := u.got(); len(counts) < want-1 {
			t.Errorf("batches of %v events", counts)
		}
		if sub := s.Subscribers()[0]; sub.InFlight != 0 || sub.Lag != 0 {
			t.Errorf("answered: %d calls unanswered, %d events not sent", sub.InFlight, sub.Lag)
		}
		u.conn.Close(wire.Errorf(wire.Closed, "enough"))
	})
}

func holdsWindow(t *testing.T) { inFlight(t, momserver.Config{Window: 3}, 5, 3) }

func holdsWindowBytes(t *testing.T) {
	var first, next int // bytes of a batch with one event
	harness.Serve(t, patient(momserver.Config{}), func(s *harness.Server) {
		u := newUnhurried(s, 100)
		close(u.may)
		for range 2 {
			s.PublishN(1)
			synctest.Wait()
		}
		_, bytes := u.got()
		first, next = bytes[0], bytes[1]
		u.conn.Close(wire.Errorf(wire.Closed, "enough"))
	})
	inFlight(t, momserver.Config{WindowBytes: first + next}, 5, 3)
	inFlight(t, momserver.Config{WindowBytes: first + next + 1}, 5, 4)
}

// holdsHeartbeat calls who is idle on the dot.
func holdsHeartbeat(t *testing.T) {
	harness.Serve(t, momserver.Config{Heartbeat: 7 * time.Second}, func(s *harness.Server) {
		s.Subscribed(momclient.Options{})
		calls := s.Stats().Calls
		for beat := range uint64(3) {
			time.Sleep(7*time.Second - time.Nanosecond)
			synctest.Wait()
			if n := s.Stats().Calls - calls; n != beat {
				t.Errorf("a nanosecond before beat %d: %d calls", beat+1, n)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if n := s.Stats().Calls - calls; n != beat+1 {
				t.Errorf("at beat %d: %d calls", beat+1, n)
			}
		}
	})
}
