package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestLargestEvents raises the bounds as far as they go: what the server then
// sends is still taken by a client that knows nothing of it.
func TestLargestEvents(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxEventBytes: 1 << 30, BatchBytes: 1 << 30, CacheBytes: 1 << 30}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{})
		for i, size := range []int{1<<20 - 300, 1<<20 - 300, 1 << 20, 1<<20 - 300} {
			err := s.Publish(wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
				Initialize: &wire.InitializeData{SourcePath: strings.Repeat("x", size)},
				Status:     wire.Status{State: wire.JobInitialized},
			}})
			if want := size < 1<<20; (err == nil) != want || err != nil && !errors.Is(err, wire.TooLarge) {
				t.Errorf("event %d of about %d bytes: %v", i, size, err)
			}
		}
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 3 {
			t.Errorf("%+v; %s", sum, c.Statuses())
		}
		if events, _, err := c.History(context.Background(), wire.Cursor{}, 0); err != nil || len(events) != 3 {
			t.Errorf("history of %d events: %v", len(events), err)
		}
		if events, err := c.Jobs(context.Background()); err != nil || len(events) != 3 {
			t.Errorf("%d jobs: %v", len(events), err)
		}
	})
}

// TestCallTooLarge tells the application, for good, that the server does not
// take what it asks.
func TestCallTooLarge(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxMessage: 2000}, func(s *harness.Server) {
		names := func(n int) (f wire.Filter) {
			for i := range n {
				f.Names = append(f.Names, fmt.Sprintf("job %05d", i))
			}
			return f
		}
		s.Subscribed(momclient.Options{Filter: names(50)})
		c := s.Client(momclient.Options{Filter: names(500), AutoReconnect: true})
		err := c.Subscribe(context.Background())
		if !errors.Is(err, wire.BadRequest) || !strings.Contains(err.Error(), "2000 at most") {
			t.Errorf("over what the server takes: %v", err)
		}
	})
}
