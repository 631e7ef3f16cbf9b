package momclient_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
	"mom.internal/wire/wiretest/source"
)

// bound says how a number or a time of Options is held: at the limit, where
// nothing happens, and one past it.
type bound struct {
	holds []func(*testing.T) // run by TestEachBound
	none  string             // why it is no bound
}

// bounds has each of them.
var bounds = map[string]bound{
	"Period":      {holds: []func(*testing.T){holdsPeriodOfPings}},
	"From":        {none: "one of the places that wire.From names"},
	"Name":        {holds: []func(*testing.T){holdsName}},
	"Token":       {holds: []func(*testing.T){holdsToken}},
	"Queue":       {holds: []func(*testing.T){holdsQueue}},
	"QueueBytes":  {holds: []func(*testing.T){holdsQueueBytes}},
	"ResultBytes": {holds: []func(*testing.T){holdsResultBytes, holdsResultBytesOfBatches}},
	"MaxMessage":  {holds: []func(*testing.T){holdsMaxMessage}},
	"DialTimeout": {holds: []func(*testing.T){holdsDialTimeout}},
	"CallTimeout": {holds: []func(*testing.T){holdsCallTimeout, holdsCallTimeoutOfPages, holdsCallTimeoutOfMessages}},
}

// TestEachBound holds every bound of Options at its limit, and one past it.
func TestEachBound(t *testing.T) {
	settings := reflect.TypeFor[momclient.Options]()
	for _, name := range source.Numbers(settings) {
		if b := bounds[name]; len(b.holds) == 0 && b.none == "" {
			t.Errorf("nothing holds Options.%s, or says why it is no bound", name)
		}
	}
	for name, b := range bounds {
		if _, ok := settings.FieldByName(name); !ok {
			t.Errorf("Options has no %s", name)
		}
		for _, holds := range b.holds {
			t.Run(name, holds)
		}
	}
}

// ending is how a client's connection ends.
type ending struct{ errs chan error }

// endingOf has the client tell how its connection ends.
func endingOf(c *harness.Client) *ending {
	e := &ending{make(chan error, 10)}
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Lost {
			e.errs <- s.Err
		}
	})
	return e
}

// is returns why it has ended; nil where it has not.
func (e *ending) is() error {
	synctest.Wait()
	select {
	case err := <-e.errs:
		return err
	default:
		return nil
	}
}

// hit reports whether err is of the code and names the bound.
func hit(err, is error, name string) bool {
	return errors.Is(err, is) && strings.Contains(err.Error(), "(Options."+name+")")
}

func holdsName(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		name := strings.Repeat("n", wire.MaxNameBytes)
		if err := s.Client(momclient.Options{Name: name}).Subscribe(context.Background()); err != nil || s.Subscribers()[0].Name != name {
			t.Errorf("at the limit: %v", err)
		}
		if err := s.Client(momclient.Options{Name: name + "n"}).Subscribe(context.Background()); !errors.Is(err, wire.BadRequest) || !strings.Contains(err.Error(), "a name of 129 bytes") {
			t.Errorf("over: %v", err)
		}
	})
}

func holdsToken(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		token := strings.Repeat("t", wire.MaxTokenBytes)
		s.Config.Token = token
		s.Start()
		if err := s.Client(momclient.Options{Token: token}).Subscribe(context.Background()); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		if err := s.Client(momclient.Options{Token: token + "t"}).Subscribe(context.Background()); !errors.Is(err, wire.BadRequest) || !strings.Contains(err.Error(), "a token of 1025 bytes") {
			t.Errorf("over: %v", err)
		}
	})
}

// holdsQueue fills the queue behind a handler that does not return: what the
// server was told there is room for is taken, and one more ends the connection.
func holdsQueue(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		s.Ledger = invariant.Unknown()
		c := s.Client(momclient.Options{Queue: 3})
		goOn, end := make(chan struct{}), endingOf(c)
		c.OnEvent(func(wire.Event) { <-goOn })
		l := serveBatches(s, func(l *batcher) {
			l.send(1, 1, nil) // which the handler has
			time.Sleep(time.Second)
			l.send(2, 3, nil)
			time.Sleep(time.Second)
			l.send(4, 4, nil)
			time.Sleep(time.Second)
			if err := end.is(); err != nil {
				t.Errorf("within: %v", err)
			}
			l.send(5, 5, nil)
			if err := end.is(); !hit(err, wire.ProtocolError, "Queue") {
				t.Errorf("over: %v", err)
			}
			close(goOn)
		})
		c.MustSubscribe()
		<-goOn
		if credit := l.asked[0].Credit; credit.Events != 3 {
			t.Errorf("the server was given %+v", credit)
		}
	})
}

// holdsQueueBytes sends a further event when a byte is left, and when none is.
func holdsQueueBytes(t *testing.T) {
	size := 0
	third := func(bytes int) (err error) {
		harness.Bubble(t, func(s *harness.Server) {
			s.Ledger = invariant.Unknown()
			c := s.Client(momclient.Options{QueueBytes: bytes})
			goOn, end, sent := make(chan struct{}), endingOf(c), make(chan struct{})
			c.OnEvent(func(wire.Event) { <-goOn })
			serveBatches(s, func(l *batcher) {
				defer close(sent)
				l.send(1, 1, nil) // which the handler has
				l.send(2, 2, func(b *protocol.Batch) { size = len(b.Events) })
				l.send(3, 3, nil)
				err = end.is()
			})
			c.MustSubscribe()
			<-sent
			close(goOn)
		})
		return err
	}
	third(0)
	if err := third(size + 1); err != nil {
		t.Errorf("with a byte left: %v", err)
	}
	if err := third(size); !hit(err, wire.ProtocolError, "QueueBytes") {
		t.Errorf("with no byte left: %v", err)
	}
}

// batches serves with batches that send sends, once a client has subscribed.
func serveBatches(s *harness.Server, send func(*batcher)) *batcher {
	s.T.Helper()
	return newBatcher(s, func(l *batcher, _ int) { send(l) })
}

// holdsMaxMessage sends a message of as many bytes as are taken, and one of a
// byte more than that.
func holdsMaxMessage(t *testing.T) {
	enc, id := protocol.NewEventEncoder(), uuid.UUID{1}
	var known protocol.SentDefs
	def, data, err := enc.Encode(&wire.Event{Seq: 1, JobID: id, RunID: id}, new(protocol.RunDefs), 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	lie := notify(batch{Next: 2, Count: 1, Types: enc.Types(), Events: append(known.Append(nil, def), data...)})
	size := len(lie) - len(attack.Frame(1, nil)) - len(welcomed())
	for over := range 2 {
		harness.Bubble(t, func(s *harness.Server) {
			server := &liar{send: make(chan []byte, 1)}
			server.send <- lie
			s.Play(server.lie)
			c := s.Client(momclient.Options{MaxMessage: size - over})
			end := endingOf(c)
			c.Subscribe(context.Background())
			err := end.is()
			c.WantTold(invariant.Told{Fresh: 1 - over, Last: uint64(1 - over)})
			if over == 0 && err != nil || over == 1 && (!hit(err, wire.TooLarge, "MaxMessage") || !strings.Contains(err.Error(), fmt.Sprintf("of %d bytes; at most %d", size, size-1))) {
				t.Errorf("%d over: %v", over, err)
			}
			c.Close()
		})
	}
}

// holdsResultBytes asks for as many events as fit, and for one more. The iterators
// return them all.
func holdsResultBytes(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishRuns(3, 3)
		ctx := context.Background()
		held, _, err := s.Client(momclient.Options{}).History(ctx, wire.Cursor{}, 0)
		if err != nil || len(held) != 3 {
			t.Fatalf("%d events, %v", len(held), err)
		}
		size := 0 // of each of the three, of which two are of a job with a longer name
		for _, e := range held {
			size += 1<<10 + 256 + len(e.Name())
		}
		for over := range 2 {
			c := s.Client(momclient.Options{ResultBytes: size - over})
			events, at, err := c.History(ctx, wire.Cursor{}, 0)
			if len(events) != 3-over || at.Seq != uint64(3-over) || (over == 1) != hit(err, wire.TooLarge, "ResultBytes") || over == 0 && err != nil {
				t.Errorf("History, %d over: %d events up to %v, %v", over, len(events), at, err)
			}
			if over == 1 && !strings.Contains(err.Error(), "HistorySeq") {
				t.Errorf("no way out: %v", err)
			}
			jobs, err := c.Jobs(ctx)
			if len(jobs) != 3-over || (over == 1) != hit(err, wire.TooLarge, "ResultBytes") || over == 0 && err != nil {
				t.Errorf("Jobs, %d over: %d events, %v", over, len(jobs), err)
			}
			if over == 1 && !strings.Contains(err.Error(), "JobsSeq") {
				t.Errorf("no way out: %v", err)
			}
			for name, seq := range map[string]iter.Seq2[wire.Event, error]{"HistorySeq": c.HistorySeq(ctx, wire.Cursor{}), "JobsSeq": c.JobsSeq(ctx)} {
				n := 0
				for _, err := range seq {
					if n++; err != nil {
						t.Errorf("%s, %d over: %v", name, over, err)
					}
				}
				if n != 3 {
					t.Errorf("%s, %d over: %d turns", name, over, n)
				}
			}
		}
	})
}

// holdsResultBytesOfBatches splits what has come, and a snapshot, where the events
// take so much memory.
func holdsResultBytesOfBatches(t *testing.T) {
	for over := range 2 {
		for _, from := range []wire.From{wire.FromOldest, wire.FromNow} {
			harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
				s.PublishRuns(4, 4)
				c := s.Client(momclient.Options{From: from, ResultBytes: 3*(1<<10+256) + len("job") + 2*len("job 1") - over})
				blocked := make(chan struct{})
				c.OnEvent(func(wire.Event) { <-blocked }) // takes the first event; the others wait
				c.MustSubscribe()
				synctest.Wait()
				c.Unsubscribe()
				batches := gather(t, c.Client, 0)
				close(blocked)
				if n := len(batches[0].Events); n != 3 || from == wire.FromNow && !batches[0].Events[0].Snapshot {
					t.Errorf("%d over, from %v: the first of %d batches has %d events", over, from, len(batches), n)
				}
			})
		}
	}
}
