package momclient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// gather subscribes, and returns batches until no event comes for a minute.
func gather(t *testing.T, c *momclient.Client, most int) (batches []momclient.Batch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var end error
	for b, err := range c.Batches(ctx, most) {
		if end = err; err == nil {
			batches = append(batches, b)
		}
	}
	if !errors.Is(end, context.DeadlineExceeded) {
		t.Errorf("ended by %v", end)
	}
	return batches
}

// TestBatches: a batch has all events that have come, up to the given number. Its
// cursor is the client's cursor after the batch.
func TestBatches(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{From: wire.FromOldest})
		s.PublishN(10)
		blocked := make(chan struct{})
		c.OnEvent(func(wire.Event) { <-blocked }) // takes the first event; the others wait
		c.MustSubscribe()
		synctest.Wait()
		c.Unsubscribe()
		batches := gather(t, c.Client, 4)
		close(blocked)
		seq := uint64(1)
		for i, want := range []struct {
			events int
			more   bool
		}{{4, true}, {4, true}, {1, false}} {
			b := batches[i]
			if len(b.Events) != want.events || b.More != want.more {
				t.Errorf("batch %d: %d events, more %v; want %+v", i, len(b.Events), b.More, want)
			}
			for _, e := range b.Events {
				if seq++; e.Seq != seq || e.Epoch != s.Epoch() {
					t.Errorf("event %d of %v; want %d", e.Seq, e.Epoch, seq)
				}
			}
			if b.Cursor != (wire.Cursor{Epoch: s.Epoch(), Seq: seq}) {
				t.Errorf("batch %d: the cursor is %v; want %d", i, b.Cursor, seq)
			}
		}
		if len(batches) != 3 || c.Cursor().Seq != 10 {
			t.Errorf("%d batches, the cursor is at %v", len(batches), c.Cursor())
		}
	})
}

// TestBatchesBreak: the events of a batch count as handled when its turn ends, by
// a break too, and not before.
func TestBatchesBreak(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{From: wire.FromOldest})
		s.PublishN(5)
		for b, err := range c.Batches(context.Background(), 2) {
			if err != nil {
				t.Fatal(err)
			}
			if at := c.Cursor(); at.Seq != b.Events[0].Seq-1 {
				t.Errorf("the cursor is at %v while a batch from %d is handled", at, b.Events[0].Seq)
			}
			if b.Cursor.Seq >= 3 {
				break
			}
		}
		at := c.Cursor()
		if at.Seq < 3 || at.Seq > 4 {
			t.Errorf("broken off at %v", at)
		}
		rest := gather(t, c.Client, 0)
		if len(rest) != 1 || rest[0].Events[0].Seq != at.Seq+1 || rest[0].Cursor.Seq != 5 || rest[0].More {
			t.Errorf("after %v: %+v", at, rest)
		}
	})
}

// TestBatchesFail: if the loop cannot subscribe, it has one turn, with the error.
func TestBatchesFail(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		turns := 0
		for b, err := range s.Client(momclient.Options{}).Batches(context.Background(), 0) {
			if turns++; len(b.Events) > 0 || !errors.Is(err, wire.Lost) {
				t.Errorf("turn %d: %d events, %v", turns, len(b.Events), err)
			}
		}
		if turns != 1 {
			t.Errorf("%d turns", turns)
		}
	})
}

// TestBatchesExactlyOnce kills a store at each of its batches in turn, before or
// after it has committed. The next store goes on at the committed cursor. Together
// they commit each event once, and the right sum of missed events, although the
// stream begins in a gap and with a snapshot that is larger than a batch.
func TestBatchesExactlyOnce(t *testing.T) {
	for kill := range 12 {
		harness.Serve(t, momserver.Config{CacheEvents: 20}, func(s *harness.Server) {
			s.PublishN(1)
			start := s.Ledger.Latest()
			s.PublishRuns(60, 7) // 41 to 61 are cached
			stream := invariant.NewStream(s.Ledger, wire.Filter{}, invariant.Fails(t))
			stream.Restarted(start)
			committed, n := start, 0
			for _, turns := range []int{kill / 2, 1000} {
				c := s.Client(momclient.Options{Cursor: committed, Queue: 3})
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				for b, err := range c.Batches(ctx, 3) {
					if err != nil {
						break
					}
					snapshots := 0
					for _, e := range b.Events {
						if e.Snapshot {
							snapshots++
						}
					}
					if snapshots > 0 && snapshots != 7 {
						t.Errorf("a batch has %d events of a snapshot of 7", snapshots)
					}
					if turns--; turns < 0 && kill%2 == 0 {
						break // before the commit
					}
					for _, e := range b.Events {
						stream.Event(e)
					}
					committed = b.Cursor
					if n++; turns < 0 {
						break // after the commit
					}
				}
				cancel()
				c.Client.Close()
				if committed != start {
					stream.Cursor(committed)
				}
			}
			stream.Converged(s.Ledger.Latest(), committed)
			if told := stream.Told(); told.Missed != 40 || told.Fresh != 20 || told.Gaps != 1 {
				t.Errorf("kill %d: %+v in %d batches", kill, told, n)
			}
		})
	}
}

// TestBatchesPanic: the events of a turn that panics have not been handled.
func TestBatchesPanic(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{From: wire.FromOldest})
		s.PublishN(3)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it did not panic")
				}
			}()
			for range c.Batches(context.Background(), 10) {
				panic("the transaction failed")
			}
		}()
		again := gather(t, c.Client, 10)
		if len(again) == 0 || again[0].Events[0].Seq != 1 || c.Cursor().Seq != 3 {
			t.Errorf("after the panic: %+v, at %v", again, c.Cursor())
		}
	})
}
