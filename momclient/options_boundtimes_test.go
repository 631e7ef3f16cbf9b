package momclient_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
)

// slow is a server by the protocol that takes its time.
type slow struct {
	greets     time.Duration // to greet
	subscribes time.Duration // to answer Subscribe
	pages      time.Duration // to answer with each of endless pages
	hidden     bool          // the pages have no events
	pings      int           // that it answers
	half       bool          // and then sends half a message

	conn *duplex.Conn
	nc   net.Conn
}

// slow serves one connection.
func serveSlowly(s *harness.Server, l *slow) {
	s.T.Helper()
	s.Play(func(nc net.Conn) {
		l.nc = nc
		if _, err := protocol.ReadHello(l.nc); err != nil {
			io.Copy(io.Discard, l.nc)
			return
		}
		time.Sleep(l.greets)
		if protocol.Accept(l.nc, harness.Welcome) != nil {
			return
		}
		l.conn = duplex.NewConn(l.nc, harness.LongTimes)
		l.conn.Serve(protocol.ServerService, l)
	})
}

// Subscribe is what the client calls, as the others are.
func (l *slow) Subscribe(*protocol.SubscribeArgs, *protocol.Subscribed) error {
	time.Sleep(l.subscribes)
	if l.half {
		time.AfterFunc(time.Second, func() { l.nc.Write([]byte{1, 0, 0}) })
	}
	return nil
}

func (l *slow) Ping(*protocol.Nothing, *protocol.Nothing) error {
	if l.pings--; l.pings < 0 {
		time.Sleep(time.Hour)
	}
	return nil
}

func (l *slow) History(args *protocol.HistoryArgs, page *protocol.Page) error {
	time.Sleep(l.pages)
	if l.hidden {
		*page = protocol.Page{Epoch: uuid.NameSpaceOID, Next: args.Since.Seq + 2, More: true}
		return nil
	}
	enc, id := protocol.NewEventEncoder(), uuid.UUID{1}
	var known protocol.SentDefs
	def, data, err := enc.Encode(&wire.Event{Seq: args.Since.Seq + 1, JobID: id, RunID: id}, new(protocol.RunDefs), 1<<16)
	*page = protocol.Page{Epoch: uuid.NameSpaceOID, Next: args.Since.Seq + 2, Count: 1, Types: enc.Types(), Events: append(known.Append(nil, def), data...), More: true}
	return err
}

func (l *slow) Jobs(*protocol.JobsArgs, *protocol.Page) error {
	time.Sleep(l.pages)
	return nil
}

func (l *slow) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error { return nil }

// onTheDot wants do to end with an error that names the bound after d, and not
// a nanosecond before.
func onTheDot(t *testing.T, what string, d time.Duration, is error, bound string, do func() error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	time.Sleep(d - time.Nanosecond)
	synctest.Wait()
	if len(ended) > 0 {
		t.Errorf("%s: too early: %v", what, <-ended)
		return
	}
	time.Sleep(time.Nanosecond)
	synctest.Wait()
	select {
	case err := <-ended:
		if !hit(err, is, bound) {
			t.Errorf("%s: %v", what, err)
		}
	default:
		t.Errorf("%s: it goes on", what)
	}
}

// holdsPeriodOfPings asks whether the server is alive, and takes it for dead
// when the answer to the second time has not come in a period.
func holdsPeriodOfPings(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{pings: 1})
		c := s.Client(momclient.Options{AutoReconnect: true, Period: 7 * time.Second})
		end := endingOf(c)
		c.MustSubscribe()
		onTheDot(t, "two pings", 21*time.Second, wire.Timeout, "Period", func() error { return <-end.errs })
		c.Close()
		time.Sleep(2 * time.Hour)
	})
}

// slowPhases are the phases of connecting in which a server can be slow.
var slowPhases = map[string]momclient.Options{
	"connecting": {DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }},
	"greeting":   {},
	"TLS":        {TLS: &tls.Config{InsecureSkipVerify: true}},
}

// holdsDialTimeout checks that DialTimeout bounds each of slowPhases.
func holdsDialTimeout(t *testing.T) {
	const d = 7 * time.Second
	for name, opts := range slowPhases {
		harness.Bubble(t, func(s *harness.Server) {
			serveSlowly(s, &slow{greets: time.Hour})
			opts.DialTimeout = d
			c := s.Client(opts)
			onTheDot(t, name, d, wire.Timeout, "DialTimeout", func() error { return c.Subscribe(context.Background()) })
			c.Close()
			time.Sleep(2 * time.Hour)
		})
	}
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{greets: d - time.Nanosecond})
		c := s.Client(momclient.Options{DialTimeout: d})
		if err := c.Subscribe(context.Background()); err != nil {
			t.Errorf("just in time: %v", err)
		}
		c.Close()
	})
}

func holdsCallTimeout(t *testing.T) {
	const d = 7 * time.Second
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{subscribes: time.Hour})
		c := s.Client(momclient.Options{CallTimeout: d})
		onTheDot(t, "Subscribe", d, wire.Timeout, "CallTimeout", func() error { return c.Subscribe(context.Background()) })
		time.Sleep(time.Hour)
	})
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{subscribes: d - time.Nanosecond})
		c := s.Client(momclient.Options{CallTimeout: d})
		if err := c.Subscribe(context.Background()); err != nil {
			t.Errorf("just in time: %v", err)
		}
		c.Close()
	})
}

// holdsCallTimeoutOfPages has a server give page after page, without end.
func holdsCallTimeoutOfPages(t *testing.T) {
	const d = 7 * time.Second
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{pages: 2 * time.Second})
		c := s.Client(momclient.Options{CallTimeout: d})
		onTheDot(t, "History", d, wire.Timeout, "CallTimeout", func() error {
			_, _, err := c.History(context.Background(), wire.Cursor{}, 0)
			return err
		})
		time.Sleep(time.Minute)
	})
	for name, opts := range slowPhases {
		harness.Bubble(t, func(s *harness.Server) {
			serveSlowly(s, &slow{greets: time.Hour})
			opts.CallTimeout, opts.DialTimeout = d, d+1
			c := s.Client(opts)
			onTheDot(t, "Jobs, "+name, d, wire.Timeout, "CallTimeout", func() error {
				_, err := c.Jobs(context.Background())
				return err
			})
			time.Sleep(2 * time.Hour)
		})
	}
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{pages: d - time.Nanosecond})
		c := s.Client(momclient.Options{CallTimeout: d})
		if events, _, err := c.History(context.Background(), wire.Cursor{}, 1); err != nil || len(events) != 1 {
			t.Errorf("just in time: %d events, %v", len(events), err)
		}
	})
}

// holdsCallTimeoutOfMessages has a server begin a message a second after it
// was subscribed to, and not end it.
func holdsCallTimeoutOfMessages(t *testing.T) {
	const d = 7 * time.Second
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{half: true})
		c := s.Client(momclient.Options{CallTimeout: d})
		end := endingOf(c)
		c.MustSubscribe()
		time.Sleep(time.Second)
		onTheDot(t, "half a message", d, wire.Stalled, "CallTimeout", func() error { return <-end.errs })
		c.Close()
	})
}
