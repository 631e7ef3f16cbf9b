package momclient_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
	"mom.internal/wire/wiretest/invariant"
)

const memAddr = "mem-server:7420"

// site is a server on a network in memory, made inside a synctest bubble.
type site struct {
	t   *testing.T
	net wiretest.Network
	cfg momserver.Config
	srv *momserver.Server
	run uuid.UUID

	ledger *invariant.Ledger // what the test has published; Unknown for a server that is none
}

func inBubble(t *testing.T, test func(s *site)) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, run: uuid.New(), ledger: new(invariant.Ledger)}
		test(s)
		if s.srv != nil {
			s.srv.Close()
		}
	})
}

// start starts a server; a later one has another epoch.
func (s *site) start() {
	s.t.Helper()
	s.srv = momserver.New(s.cfg)
	s.ledger.Begin(s.srv.Epoch())
	l, err := s.net.Listen(memAddr)
	if err != nil {
		s.t.Fatal(err)
	}
	go s.srv.Serve(l)
	synctest.Wait()
}

// publish publishes n events of one unfinished run.
func (s *site) publish(n int) {
	s.t.Helper()
	for range n {
		s.send(wire.Event{JobID: s.run, RunID: s.run, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}})
	}
}

// send publishes an event, and notes it.
func (s *site) send(ev wire.Event) {
	s.t.Helper()
	state := ev.Data.Status.State
	s.ledger.Publish(invariant.Mark{
		JobID: ev.JobID, Name: ev.Name(), RunID: ev.RunID, State: state, Severity: ev.Severity(), Final: state.EndsRun(false),
	})
	if err := s.srv.Publish(ev); err != nil {
		s.t.Fatal(err)
	}
}

// follower is a client that puts its stream to the checkers of invariant.
type follower struct {
	*momclient.Client
	t      *testing.T
	stream *invariant.Stream
}

// client returns a client on the site's network, not yet subscribed.
func (s *site) client(opts momclient.Options) *follower {
	if opts.DialContext == nil {
		opts.DialContext = s.net.DialContext
	}
	f := &follower{momclient.New(memAddr, opts), s.t, invariant.NewStream(s.ledger, opts.Filter, invariant.Fails(s.t))}
	if !opts.Cursor.IsZero() {
		f.stream.Restarted(opts.Cursor)
	}
	s.t.Cleanup(func() { f.Close() })
	f.OnEvent(nil)
	f.OnConnection(nil)
	return f
}

// OnEvent sets the application's handler, which is called after the checkers;
// nil for none.
func (f *follower) OnEvent(handler func(wire.Event)) {
	f.Client.OnEvent(func(e wire.Event) {
		f.see(e)
		if handler != nil {
			handler(e)
		}
	})
}

func (f *follower) see(e wire.Event) {
	f.stream.Cursor(f.Cursor())
	f.stream.Event(e)
}

// OnConnection sets the application's handler of statuses; nil for none.
func (f *follower) OnConnection(handler func(momclient.ConnectionStatus)) {
	f.Client.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Connected || s.Kind == momclient.Resumed {
			f.stream.Connected(s.Epoch)
		}
		if handler != nil {
			handler(s)
		}
	})
}

// Events is the stream as a range loop.
func (f *follower) Events(ctx context.Context) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		defer f.stream.Unsubscribed()
		for e, err := range f.Client.Events(ctx) {
			if err == nil {
				f.see(e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Unsubscribe ends the subscription.
func (f *follower) Unsubscribe() {
	f.Client.Unsubscribe()
	f.stream.Unsubscribed()
}

// wasTold wants it to have been told so much since it was last asked.
func (f *follower) wasTold(want invariant.Told) {
	f.t.Helper()
	f.stream.Cursor(f.Cursor())
	if got := f.stream.Told(); got != want {
		f.t.Errorf("told %+v; want %+v", got, want)
	}
}
