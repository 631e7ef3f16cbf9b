package momserver_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestHealth follows a server's life.
func TestHealth(t *testing.T) {
	fresh := momserver.New(momserver.Config{})
	if err := fresh.Health(); err == nil || errors.Is(err, momserver.ErrServerClosed) {
		t.Errorf("before Serve: %v", err)
	}
	fresh.Close()
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		if err := s.Health(); err != nil {
			t.Errorf("serving: %v", err)
		}
		c := s.Client(momclient.Options{Queue: 1})
		release := make(chan struct{})
		c.OnEvent(func(wire.Event) { <-release })
		c.MustSubscribe()
		s.PublishN(10)
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(context.Background()) }()
		synctest.Wait()
		if err := s.Health(); !errors.Is(err, wire.Draining) {
			t.Errorf("during Shutdown: %v", err)
		}
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Health(); err != momserver.ErrServerClosed {
			t.Errorf("after Shutdown: %v", err)
		}
	})
}
