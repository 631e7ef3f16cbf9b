package momclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// record keeps what a handler was given, as text.
type record struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// take returns the lines so far, and forgets them.
func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := strings.Join(r.lines, " ")
	r.lines = nil
	return lines
}

// TestStatusesInOrder follows a client through a server's life, and the next
// one's.
func TestStatusesInOrder(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		c := s.Client(momclient.Options{AutoReconnect: true})
		subscribed := make(chan error, 1)
		go func() { subscribed <- c.Subscribe(context.Background()) }()
		synctest.Wait()
		if got := c.Statuses(); got != "connecting lost reconnecting" {
			t.Errorf("without a server: %s", got)
		}
		s.Start()
		if err := <-subscribed; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := c.Statuses(); !strings.HasSuffix(got, "reconnecting connecting connected") && got != "connecting connected" {
			t.Errorf("with one: %s", got)
		}
		s.PublishN(3)
		synctest.Wait()
		s.Net.Cut()
		s.PublishN(2)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := c.Statuses(); got != "lost reconnecting connecting resumed(2,0,false)" {
			t.Errorf("after a cut: %s", got)
		}
		s.Shutdown(context.Background())
		synctest.Wait()
		if got := c.Statuses(); got != "draining lost reconnecting" {
			t.Errorf("after a shutdown: %s", got)
		}
		s.Start()
		s.PublishN(4)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := c.Statuses(); !strings.HasSuffix(got, "connecting resumed(4,0,true)") {
			t.Errorf("after a restart: %s", got)
		}
		c.Close()
		synctest.Wait()
		if got := c.Statuses(); got != "closed" {
			t.Errorf("after Close: %s", got)
		}
		c.WantTold(invariant.Told{Fresh: 9, Last: 4}) // five of the one epoch, four of the other
	})
}

// TestFromInsideHandlers calls everything from inside the handlers.
func TestFromInsideHandlers(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{})
		ctx := context.Background()
		c.OnEvent(func(e wire.Event) {
			switch e.Seq {
			case 1:
				if _, _, err := c.History(ctx, wire.Cursor{}, 0); err != nil {
					t.Error(err)
				}
				if _, err := c.Jobs(ctx); err != nil {
					t.Error(err)
				}
				if err := c.Subscribe(ctx); !errors.Is(err, wire.AlreadySubscribed) {
					t.Error(err)
				}
			case 2:
				c.Unsubscribe()
				if err := c.Subscribe(ctx); err != nil {
					t.Error(err)
				}
			case 5:
				c.Close()
				if err := c.Subscribe(ctx); !errors.Is(err, wire.Closed) {
					t.Error(err)
				}
			}
		})
		if err := c.Subscribe(ctx); err != nil {
			t.Fatal(err)
		}
		s.PublishN(9)
		time.Sleep(time.Minute)
		synctest.Wait()
		c.WantTold(invariant.Told{Fresh: 5, Last: 5})
		if n := s.Stats().Subscribers; n != 0 {
			t.Errorf("%d subscribers left", n)
		}
	})
}

// TestClosedComesLast: Closed is reported when nothing of the client is left,
// not even a call of History.
func TestClosedComesLast(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		subscribed := false
		c := s.Client(momclient.Options{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := s.Net.DialContext(ctx, network, addr)
			if subscribed {
				nc = slowToClose{nc}
			}
			return nc, err
		}})
		var closed time.Time
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Closed {
				closed = st.Time
			}
		})
		c.MustSubscribe()
		subscribed = true
		go c.History(context.Background(), wire.Cursor{}, 0)
		synctest.Wait() // its connection is being closed, which takes a second
		began := time.Now()
		c.Close()
		synctest.Wait()
		if took := time.Since(began); took != time.Second || closed.Sub(began) != took {
			t.Errorf("Close took %v, and the status came after %v", took, closed.Sub(began))
		}
	})
}

// stubborn is a connection whose Read takes a second to fail.
type stubborn struct {
	net.Conn
	reading *atomic.Int32
}

func (c stubborn) Read(p []byte) (int, error) {
	c.reading.Add(1)
	defer c.reading.Add(-1)
	n, err := c.Conn.Read(p)
	if err != nil {
		time.Sleep(time.Second)
	}
	return n, err
}

// TestGoroutinesGone: when Unsubscribe, Close, a failed Subscribe, History or
// Jobs return, nobody reads from their connection any more.
func TestGoroutinesGone(t *testing.T) {
	ctx := context.Background()
	for name, do := range map[string]func(c *harness.Client) error{
		"Unsubscribe": func(c *harness.Client) error {
			defer c.Unsubscribe()
			return c.Subscribe(ctx)
		},
		"Close": func(c *harness.Client) error {
			defer c.Close()
			return c.Subscribe(ctx)
		},
		"History": func(c *harness.Client) error {
			_, _, err := c.History(ctx, wire.Cursor{}, 0)
			return err
		},
		"Jobs": func(c *harness.Client) error {
			_, err := c.Jobs(ctx)
			return err
		},
		"a refused Subscribe": func(c *harness.Client) error {
			if err := c.Subscribe(ctx); !errors.Is(err, wire.Full) {
				return fmt.Errorf("not refused: %w", err)
			}
			return nil
		},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			if name == "a refused Subscribe" {
				s.Config.MaxSubscribers = 1
				s.Start()
				if err := s.Client(momclient.Options{}).Subscribe(ctx); err != nil {
					t.Fatal(err)
				}
			} else {
				s.Start()
			}
			var reading atomic.Int32
			c := s.Client(momclient.Options{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := s.Net.DialContext(ctx, network, addr)
				return stubborn{nc, &reading}, err
			}})
			if err := do(c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if n := reading.Load(); n != 0 {
				t.Errorf("after %s its connection is still read", name)
			}
		})
	}
}
