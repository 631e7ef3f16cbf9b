package momclient_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
)

// slowToClose is a connection whose Close takes a second.
type slowToClose struct{ net.Conn }

func (c slowToClose) Close() error {
	time.Sleep(time.Second)
	return c.Conn.Close()
}

// TestCallsEnded ends History and Jobs while the server is thinking: the error
// says what ended the call, and Close waits for it.
func TestCallsEnded(t *testing.T) {
	cause := errors.New("the user has gone")
	calls := map[string]func(context.Context, *momclient.Client) error{
		"History": func(ctx context.Context, c *momclient.Client) error {
			_, _, err := c.History(ctx, wire.Cursor{}, 0)
			return err
		},
		"Jobs": func(ctx context.Context, c *momclient.Client) error {
			_, err := c.Jobs(ctx)
			return err
		},
	}
	ends := []struct {
		name  string
		end   func(cancel context.CancelCauseFunc, c *momclient.Client)
		is    []error
		isNot error
	}{
		{"cancelled", func(cancel context.CancelCauseFunc, _ *momclient.Client) { cancel(nil) }, []error{context.Canceled}, context.DeadlineExceeded},
		{"cancelled for a cause", func(cancel context.CancelCauseFunc, _ *momclient.Client) { cancel(cause) }, []error{context.Canceled, cause}, wire.ErrTimeout},
		{"too late", func(context.CancelCauseFunc, *momclient.Client) { time.Sleep(time.Minute) }, []error{context.DeadlineExceeded}, context.Canceled},
		{"closed", func(_ context.CancelCauseFunc, c *momclient.Client) { c.Close() }, []error{wire.ErrClosed}, context.Canceled},
	}
	for name, call := range calls {
		for _, greeted := range []bool{true, false} {
			for _, end := range ends {
				inBubble(t, func(s *site) {
					l := &slow{pages: time.Hour}
					if !greeted {
						l.greets = time.Hour
					}
					s.slow(l)
					c := momclient.New(memAddr, momclient.Options{CallTimeout: 2 * time.Hour, DialTimeout: 2 * time.Hour, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						nc, err := s.net.DialContext(ctx, network, addr)
						return slowToClose{nc}, err
					}})
					defer c.Close()
					ctx, cancel := context.WithCancelCause(context.Background())
					ctx, stop := context.WithTimeout(ctx, time.Minute)
					defer stop()
					ended := make(chan error, 1)
					go func() { ended <- call(ctx, c) }()
					time.Sleep(time.Second)
					start := time.Now()
					end.end(cancel, c)
					if took := time.Since(start); end.name == "closed" && took < time.Second {
						t.Errorf("%s: Close took %v, and the connection a second", name, took)
					}
					err := <-ended
					for _, is := range end.is {
						if !errors.Is(err, is) {
							t.Errorf("%s, greeted %v, %s: %v is no %v", name, greeted, end.name, err, is)
						}
					}
					if errors.Is(err, end.isNot) {
						t.Errorf("%s, greeted %v, %s: %v is a %v", name, greeted, end.name, err, end.isNot)
					}
					time.Sleep(2 * time.Hour) // until the server has thought
				})
			}
		}
	}
}

// TestCallsOfClosed refuses calls after Close.
func TestCallsOfClosed(t *testing.T) {
	c := momclient.New(memAddr, momclient.Options{})
	c.Close()
	if _, err := c.Jobs(context.Background()); !errors.Is(err, wire.ErrClosed) {
		t.Error(err)
	}
}

// TestHistoryOfPages gives as many events as were asked for, where they come in
// several pages.
func TestHistoryOfPages(t *testing.T) {
	inBubble(t, func(s *site) {
		s.start()
		s.publish(5000)
		c := s.client(momclient.Options{})
		for _, n := range []int{1, 2000, 4999, 5000, 5001} {
			events, end, err := c.History(context.Background(), wire.Cursor{}, n)
			want := min(n, 5000)
			if err != nil || len(events) != want || end.Seq != uint64(want) {
				t.Errorf("asked for %d: %d up to %d, %v", n, len(events), end.Seq, err)
			}
		}
	})
}

// tardy is a context whose deadline has passed, though it does not say so yet:
// sockets that have the same deadline may be first.
type tardy struct{ context.Context }

func (tardy) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

// TestCallsAtDeadline are ended by their caller's deadline, whether the context
// or a socket is first to notice.
func TestCallsAtDeadline(t *testing.T) {
	inBubble(t, func(s *site) {
		s.start()
		c := s.client(momclient.Options{})
		_, _, err := c.History(tardy{context.Background()}, wire.Cursor{}, 0)
		if _, jobs := c.Jobs(tardy{context.Background()}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(jobs, context.DeadlineExceeded) {
			t.Errorf("%v, %v", err, jobs)
		}
	})
}
