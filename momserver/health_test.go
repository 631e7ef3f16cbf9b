package momserver_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestHealth follows a server's life.
func TestHealth(t *testing.T) {
	fresh := momserver.New(momserver.Config{})
	if err := fresh.Health(); err == nil || errors.Is(err, momserver.ErrServerClosed) {
		t.Errorf("before Serve: %v", err)
	}
	fresh.Close()
	inBubble(t, momserver.Config{}, func(w *world) {
		if err := w.srv.Health(); err != nil {
			t.Errorf("serving: %v", err)
		}
		c := w.client(momclient.Options{Queue: 1})
		release := make(chan struct{})
		c.OnEvent(func(wire.Event) { <-release })
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.publish(10)
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- w.srv.Shutdown(context.Background()) }()
		synctest.Wait()
		if err := w.srv.Health(); !errors.Is(err, wire.Draining) {
			t.Errorf("during Shutdown: %v", err)
		}
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := w.srv.Health(); err != momserver.ErrServerClosed {
			t.Errorf("after Shutdown: %v", err)
		}
	})
}
