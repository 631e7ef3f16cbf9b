package momclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
)

// slowToClose is a connection whose Close takes a second.
type slowToClose struct{ net.Conn }

func (c slowToClose) Close() error {
	time.Sleep(time.Second)
	return c.Conn.Close()
}

// TestCallsEnded ends History and Jobs before the server has answered: the
// error tells what ended the call, and Close waits for the call.
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
		{"cancelled for a cause", func(cancel context.CancelCauseFunc, _ *momclient.Client) { cancel(cause) }, []error{context.Canceled, cause}, wire.Timeout},
		{"too late", func(context.CancelCauseFunc, *momclient.Client) { time.Sleep(time.Minute) }, []error{context.DeadlineExceeded}, context.Canceled},
		{"closed", func(_ context.CancelCauseFunc, c *momclient.Client) { c.Close() }, []error{wire.Closed}, context.Canceled},
	}
	for name, call := range calls {
		for _, greeted := range []bool{true, false} {
			for _, end := range ends {
				harness.Bubble(t, func(s *harness.Server) {
					l := &slow{pages: time.Hour}
					if !greeted {
						l.greets = time.Hour
					}
					serveSlowly(s, l)
					c := momclient.New(harness.MemAddr, momclient.Options{CallTimeout: 2 * time.Hour, DialTimeout: 2 * time.Hour, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						nc, err := s.Net.DialContext(ctx, network, addr)
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

// TestCallsOfClosed: calls after Close are refused, and make no connection.
func TestCallsOfClosed(t *testing.T) {
	c := momclient.New(harness.MemAddr, momclient.Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
		t.Error("it connects")
		return nil, net.ErrClosed
	}})
	c.Close()
	if _, err := c.Jobs(context.Background()); !errors.Is(err, wire.Closed) {
		t.Error(err)
	}
}

// TestHistoryOfPages: History returns as many events as were asked for, even if
// they come in several pages.
func TestHistoryOfPages(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishN(5000)
		c := s.Client(momclient.Options{})
		for _, n := range []int{1, 2000, 4999, 5000, 5001} {
			events, end, err := c.History(context.Background(), wire.Cursor{}, n)
			want := min(n, 5000)
			if err != nil || len(events) != want || end.Seq != uint64(want) {
				t.Errorf("asked for %d: %d up to %d, %v", n, len(events), end.Seq, err)
			}
		}
	})
}

// tardy is a context whose deadline has passed, but whose Err is still nil, so
// that a dialer that looks at the deadline is first to notice.
type tardy struct{ context.Context }

func (tardy) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

// TestCallsAtDeadline: the deadline of the caller ends a call, whether the
// context or a dialer is first to notice it.
func TestCallsAtDeadline(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		c := s.Client(momclient.Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
		}})
		_, _, err := c.History(tardy{context.Background()}, wire.Cursor{}, 0)
		if _, jobs := c.Jobs(tardy{context.Background()}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(jobs, context.DeadlineExceeded) {
			t.Errorf("%v, %v", err, jobs)
		}
	})
}

// TestHistoryOfNothing: the place after the last event of a server without
// events is before its first, which a later History returns.
func TestHistoryOfNothing(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{})
		events, end, err := c.History(context.Background(), wire.Cursor{}, 0)
		if err != nil || len(events) != 0 || end != (wire.Cursor{Epoch: s.Epoch()}) {
			t.Fatalf("%d events up to %v, %v", len(events), end, err)
		}
		s.PublishN(1)
		if events, end, err := c.History(context.Background(), end, 0); err != nil || len(events) != 1 || end.Seq != 1 {
			t.Errorf("after that: %d events up to %v, %v", len(events), end, err)
		}
	})
}

// pager is a server, written against the protocol, that answers with given
// pages.
type pager struct {
	asked []string // since what Seq, and for how many
	pages []protocol.Page
}

func (p *pager) History(args *protocol.HistoryArgs, page *protocol.Page) error {
	p.asked = append(p.asked, fmt.Sprintf("%d:%d", args.Since.Seq, args.Max))
	return p.next(page)
}

func (p *pager) Jobs(args *protocol.JobsArgs, page *protocol.Page) error {
	p.asked = append(p.asked, fmt.Sprint(args.After[0]))
	return p.next(page)
}

func (p *pager) next(page *protocol.Page) error {
	if len(p.pages) > 0 {
		*page, p.pages = p.pages[0], p.pages[1:]
	}
	return nil
}

// pageOf is a page of the events from first to last, each of a job of its own;
// none if last is below first.
func pageOf(t *testing.T, first, last uint64, more bool) protocol.Page {
	t.Helper()
	enc := protocol.NewEventEncoder()
	var known protocol.SentDefs
	page := protocol.Page{Epoch: uuid.NameSpaceOID, Next: last + 1, Types: enc.Types(), More: more}
	for seq := first; seq <= last; seq++ {
		id := uuid.UUID{byte(seq)}
		def, data, err := enc.Encode(&wire.Event{Seq: seq, JobID: id, RunID: id}, new(protocol.RunDefs), 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		page.Events = append(known.Append(page.Events, def), data...)
		page.Count++
	}
	return page
}

// asks has the test play a server of pages.
func asks(s *harness.Server, pages ...protocol.Page) *pager {
	s.T.Helper()
	p := &pager{pages: pages}
	s.PlayService(func(*duplex.Conn) any { return p })
	return p
}

// TestPages follows the pages of a server: each is asked for after the one
// before, up to the number that the caller wants. A gap with no event to carry
// its count is an error. If a server claims that there are more events and
// sends none, the client does not ask again.
func TestPages(t *testing.T) {
	broken := pageOf(t, 1, 2, false)
	broken.Count++
	for _, test := range []struct {
		name  string
		pages func(t *testing.T) []protocol.Page
		jobs  bool
		n     int
		asked []string
		want  int
		is    error
		says  string
	}{
		{"all", func(t *testing.T) []protocol.Page {
			return []protocol.Page{pageOf(t, 1, 2, true), pageOf(t, 3, 4, false)}
		}, false, 0, []string{"0:0", "2:0"}, 4, nil, ""},
		{"a negative number", func(t *testing.T) []protocol.Page {
			return []protocol.Page{pageOf(t, 1, 2, true), pageOf(t, 3, 4, false)}
		}, false, -3, []string{"0:0", "2:0"}, 4, nil, ""},
		{"a number", func(t *testing.T) []protocol.Page {
			return []protocol.Page{pageOf(t, 1, 2, true), pageOf(t, 3, 3, true)}
		}, false, 3, []string{"0:3", "2:1"}, 3, nil, ""},
		{"a large number", func(t *testing.T) []protocol.Page { return []protocol.Page{pageOf(t, 1, 2, false)} }, false, 1 << 21, []string{"0:1048576"}, 2, nil, ""},
		{"more that does not come", func(t *testing.T) []protocol.Page {
			return []protocol.Page{pageOf(t, 1, 2, true), pageOf(t, 3, 2, true)}
		}, false, 0, []string{"0:0", "2:0"}, 2, nil, ""},
		{"a gap without an event", func(t *testing.T) []protocol.Page {
			page := pageOf(t, 10, 9, false)
			page.Missed = 9
			return []protocol.Page{page}
		}, false, 0, []string{"0:0"}, 0, wire.Lost, "9 events"},
		{"broken", func(*testing.T) []protocol.Page { return []protocol.Page{broken} }, false, 0, []string{"0:0"}, 0, wire.ProtocolError, ""},
		{"all jobs", func(t *testing.T) []protocol.Page {
			return []protocol.Page{pageOf(t, 1, 2, true), pageOf(t, 3, 4, false)}
		}, true, 0, []string{"0", "2"}, 4, nil, ""},
		{"more jobs that do not come", func(t *testing.T) []protocol.Page {
			return []protocol.Page{pageOf(t, 1, 2, true), pageOf(t, 3, 2, true)}
		}, true, 0, []string{"0", "2"}, 2, nil, ""},
		{"broken jobs", func(*testing.T) []protocol.Page { return []protocol.Page{broken} }, true, 0, []string{"0"}, 0, wire.ProtocolError, ""},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			p := asks(s, test.pages(t)...)
			c := s.Client(momclient.Options{})
			var events []wire.Event
			var err error
			if test.jobs {
				events, err = c.Jobs(context.Background())
			} else {
				events, _, err = c.History(context.Background(), wire.Cursor{}, test.n)
			}
			if !errors.Is(err, test.is) || err != nil && !strings.Contains(err.Error(), test.says) || err == nil && len(events) != test.want {
				t.Errorf("%s: %d events, %v", test.name, len(events), err)
			}
			if !slices.Equal(p.asked, test.asked) {
				t.Errorf("%s: the server was asked %q; want %q", test.name, p.asked, test.asked)
			}
		})
	}
}

// TestCallEndsWithItsAnswer: what the server has answered counts, even if the
// caller gives up or closes the client while the connection is being closed.
func TestCallEndsWithItsAnswer(t *testing.T) {
	for _, end := range []string{"cancelled", "closed"} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			s.PublishN(1)
			c := s.Client(momclient.Options{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := s.Net.DialContext(ctx, network, addr)
				return slowToClose{nc}, err
			}})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			time.AfterFunc(time.Second/2, func() {
				if cancel(); end == "closed" {
					c.Close()
				}
			})
			if events, _, err := c.History(ctx, wire.Cursor{}, 0); err != nil || len(events) != 1 {
				t.Errorf("%s: %d events, %v", end, len(events), err)
			}
		})
	}
}

// TestCallsKeepNothing: a client that lives long and asks often keeps nothing of
// the calls that have ended.
func TestCallsKeepNothing(t *testing.T) {
	const calls = 100
	c := momclient.New(harness.MemAddr, momclient.Options{CallTimeout: time.Hour, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, net.ErrClosed
	}})
	defer c.Close()
	type key struct{}
	var collected atomic.Int64
	for range calls {
		value := new([64]byte)
		runtime.AddCleanup(value, func(int) { collected.Add(1) }, 0)
		if _, err := c.Jobs(context.WithValue(context.Background(), key{}, value)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	for n := 0; collected.Load() < calls-1 && n < 1000; n++ {
		runtime.GC()
		time.Sleep(time.Millisecond) // for the cleanups, which run on a goroutine of the runtime's
	}
	if left := calls - collected.Load(); left > 1 { // the last may be on the stack
		t.Errorf("the contexts of %d of %d calls are kept", left, calls)
	}
}

// TestHistory asks for cached events without subscribing, in pages.
func TestHistory(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishN(5000)
		c := s.Client(momclient.Options{})
		ctx := context.Background()
		all, end, err := c.History(ctx, wire.Cursor{}, 0)
		if err != nil || len(all) != 5000 || all[4999].Seq != 5000 || end.Seq != 5000 {
			t.Fatalf("%d events up to %v, %v", len(all), end, err)
		}
		some, next, err := c.History(ctx, all[9].Cursor(), 7)
		if err != nil || len(some) != 7 || some[0].Seq != 11 || next.Seq != 17 || some[0].Missed != 0 {
			t.Errorf("7 after the 10th: %d from %d, next %v, %v", len(some), some[0].Seq, next, err)
		}
		none, next, err := c.History(ctx, end, 0)
		if err != nil || len(none) != 0 || next != end {
			t.Errorf("after the last: %d, %v, %v", len(none), next, err)
		}
		if _, _, err := c.History(ctx, wire.Cursor{Epoch: end.Epoch, Seq: 6000}, 0); !errors.Is(err, wire.BadRequest) {
			t.Errorf("after one to come: %v", err)
		}
		other, _, err := c.History(ctx, wire.Cursor{Epoch: uuid.New(), Seq: 6000}, 1)
		if err != nil || len(other) != 1 || other[0].Seq != 1 {
			t.Errorf("after one of another epoch: %v, %v", other, err)
		}
		s.PublishN(10_001)
		gone, _, err := c.History(ctx, all[9].Cursor(), 1)
		if err != nil || len(gone) != 1 || gone[0].Missed != 4991 || gone[0].Seq != 5002 {
			t.Errorf("after a gap: %+v, %v", gone, err)
		}
		jobs, err := c.Jobs(ctx)
		if err != nil || len(jobs) != 1 || jobs[0].Seq != 15_001 {
			t.Errorf("jobs: %v, %v", jobs, err)
		}
	})
}

// TestSeqEnds: a loop over History that is left, that fails or whose client is
// closed from its body has no connection afterwards, and one last turn with the
// error if there is one.
func TestSeqEnds(t *testing.T) {
	cause := errors.New("the user has gone")
	for name, test := range map[string]struct {
		body  func(c *momclient.Client, cancel context.CancelCauseFunc) (goOn bool)
		is    error
		turns int
	}{
		"left":       {func(*momclient.Client, context.CancelCauseFunc) bool { return false }, nil, 1},
		"cancelled":  {func(_ *momclient.Client, cancel context.CancelCauseFunc) bool { cancel(cause); return true }, cause, 2},
		"closed":     {func(c *momclient.Client, _ context.CancelCauseFunc) bool { c.Close(); return true }, wire.Closed, 2},
		"to the end": {func(*momclient.Client, context.CancelCauseFunc) bool { return true }, nil, 4000},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			s.PublishN(4000)
			c := s.Client(momclient.Options{})
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			turns := 0
			var last error
			for e, err := range c.HistorySeq(ctx, wire.Cursor{}) {
				if turns++; err == nil && e.Seq != uint64(turns) {
					t.Errorf("%s: turn %d has event %d", name, turns, e.Seq)
				}
				if last = err; !test.body(c.Client, cancel) {
					break
				}
			}
			synctest.Wait()
			if n := s.Stats().Connections; turns != test.turns || !errors.Is(last, test.is) || n != 0 {
				t.Errorf("%s: %d turns, %v, %d connections", name, turns, last, n)
			}
		})
	}
}

// TestSeqIsSlow: the body of a loop may take any time. If the server closes the
// connection meanwhile, the loop goes on where it was on another. A second loop
// over the same iterator begins again.
func TestSeqIsSlow(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishN(2500)
		c := s.Client(momclient.Options{})
		seq := c.HistorySeq(context.Background(), wire.Cursor{})
		for range 2 {
			next := uint64(1)
			for e, err := range seq {
				if err != nil || e.Seq != next {
					t.Fatalf("event %d, %v; want %d", e.Seq, err, next)
				}
				next++
				time.Sleep(time.Second)
			}
			if next != 2501 {
				t.Errorf("ended before %d", next)
			}
		}
		s.PublishRuns(1200, 1200)
		jobs := 0
		for _, err := range c.JobsSeq(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			jobs++
			time.Sleep(time.Second)
		}
		if jobs != 1200 {
			t.Errorf("%d jobs", jobs)
		}
	})
}

// TestSeqWaits: CallTimeout bounds each wait for an event, however many pages
// without events come meanwhile, and not the loop.
func TestSeqWaits(t *testing.T) {
	const d = 7 * time.Second
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{pages: d - time.Nanosecond})
		c := s.Client(momclient.Options{CallTimeout: d})
		turns := 0
		for _, err := range c.HistorySeq(context.Background(), wire.Cursor{}) {
			if turns++; err != nil || turns == 10 {
				break
			}
		}
		if turns != 10 {
			t.Errorf("%d turns", turns)
		}
	})
	harness.Bubble(t, func(s *harness.Server) {
		l := &slow{pages: 2 * time.Second, hidden: true}
		serveSlowly(s, l)
		c := s.Client(momclient.Options{CallTimeout: d})
		onTheDot(t, "pages without events", d, wire.Timeout, "CallTimeout", func() (last error) {
			for _, last = range c.HistorySeq(context.Background(), wire.Cursor{}) {
			}
			return last
		})
		time.Sleep(time.Minute)
	})
}

// TestPagesOutOfOrder: a server that repeats an event or a job, or goes back or
// ahead, is refused, so that a loop ends.
func TestPagesOutOfOrder(t *testing.T) {
	renumbered := func(page protocol.Page, next uint64) protocol.Page {
		page.Next = next
		return page
	}
	for name, test := range map[string]struct {
		pages []protocol.Page
		jobs  bool
		want  int
	}{
		"an event twice":    {[]protocol.Page{pageOf(t, 1, 2, true), pageOf(t, 2, 3, false)}, false, 2},
		"an event too far":  {[]protocol.Page{renumbered(pageOf(t, 1, 3, true), 3)}, false, 2},
		"a job twice":       {[]protocol.Page{pageOf(t, 1, 2, true), pageOf(t, 2, 3, false)}, true, 2},
		"jobs from the top": {[]protocol.Page{pageOf(t, 2, 3, true), pageOf(t, 1, 3, false)}, true, 2},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			asks(s, test.pages...)
			c := s.Client(momclient.Options{})
			seq := c.HistorySeq(context.Background(), wire.Cursor{})
			if test.jobs {
				seq = c.JobsSeq(context.Background())
			}
			n := 0
			var last error
			for _, last = range seq {
				n++
			}
			if n != test.want+1 || !errors.Is(last, wire.ProtocolError) || !strings.Contains(last.Error(), "out of order") {
				t.Errorf("%s: %d turns, %v", name, n, last)
			}
		})
	}
}
