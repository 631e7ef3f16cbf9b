package momserver_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// TestClosed refuses everything after Close, and Close can be called again.
func TestClosed(t *testing.T) {
	for _, served := range []bool{false, true} {
		srv := momserver.New(momserver.Config{})
		if served {
			srv, _ = loopback(t, momserver.Config{})
		}
		for range 2 {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := srv.Publish(harness.Event(uuid.New(), uuid.New(), "", wire.Transferring)); !errors.Is(err, wire.Closed) {
			t.Errorf("Publish: %v", err)
		}
		if j, err := srv.StartJob(uuid.New(), wire.InitializeData{}); !errors.Is(err, wire.Closed) || j != nil {
			t.Errorf("StartJob: %v", err)
		}
		if err := srv.Serve(listen(t, "127.0.0.1:0")); !errors.Is(err, momserver.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if n := srv.Stats().Published; n != 0 {
			t.Errorf("%d events are published", n)
		}
	}
}

// countingListener counts how often it is closed.
type countingListener struct {
	net.Listener
	closed atomic.Int32
}

func (l *countingListener) Close() error {
	l.closed.Add(1)
	return l.Listener.Close()
}

// TestListenerForgotten leaves a listener alone that Serve has returned from.
func TestListenerForgotten(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		inner, err := s.Net.Listen("another-server:7420")
		if err != nil {
			t.Fatal(err)
		}
		l := &countingListener{Listener: inner}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		synctest.Wait()
		inner.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) || errors.Is(err, momserver.ErrServerClosed) {
			t.Error(err)
		}
		s.Close()
		if n := l.closed.Load(); n != 1 {
			t.Errorf("closed %d times; want once, by Serve", n)
		}
	})
}

// TestListenAndServeError names the address that cannot be listened on.
func TestListenAndServeError(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	err := srv.ListenAndServe("nowhere")
	var cause *net.OpError
	if !errors.As(err, &cause) || !strings.HasPrefix(err.Error(), "momserver: cannot listen on nowhere: ") {
		t.Error(err)
	}
}

// TestRestartOverSockets restarts a server on its port, under a client that
// reconnects, and looks at the reasons for which it was dropped.
func TestRestartOverSockets(t *testing.T) {
	s := harness.OnSocket(t, momserver.Config{})
	c := s.Client(momclient.Options{AutoReconnect: true, Period: 50 * time.Millisecond})
	resumed := make(chan momclient.ConnectionStatus, 10)
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Resumed {
			resumed <- s
		}
	})
	c.MustSubscribe()
	told := func(n int) {
		t.Helper()
		for c.Cursor() != s.Ledger.Latest() {
			time.Sleep(time.Millisecond)
		}
		c.WantTold(invariant.Told{Fresh: n, Last: uint64(n)})
	}
	s.PublishN(102)
	told(102)
	s.Close()
	if st := s.Stats(); st.Drops[momserver.ReasonShutdown] != 1 {
		t.Errorf("dropped for %v", st.Drops)
	}

	s.New()
	s.PublishN(17) // before anybody is there
	s.Listen()
	if got := <-resumed; !got.NewEpoch || got.Epoch != s.Epoch() || got.Replayed != 17 || got.Missed != 0 {
		t.Errorf("resumed as %+v", got)
	}
	told(17)
	c.Unsubscribe()
	for len(s.Stats().Drops) == 0 {
		time.Sleep(time.Millisecond)
	}
	if st := s.Stats(); st.Drops[momserver.ReasonUnsubscribed] != 1 || len(st.Drops) != 1 {
		t.Errorf("dropped for %v", st.Drops)
	}
}
