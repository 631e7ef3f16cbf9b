// Package harness is a server and its clients under test. A ledger records
// what the test publishes, and the checkers of package invariant compare each
// client's stream with it.
//
// It supports the tests of this module only. Nothing in it is promised.
package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest"
	"mom.internal/wire/wiretest/invariant"
)

// MemAddr is the address of the server on the network in memory.
const MemAddr = "mem-server:7420"

// Server is a server under test, which may be started again. Its exported
// fields may be set before Start.
type Server struct {
	*momserver.Server // the latest one; nil before Start
	T                 *testing.T
	Config            momserver.Config
	Net               wiretest.Network
	Addr              string            // MemAddr, or that of a socket
	Ledger            *invariant.Ledger // what the test has published; Unknown if the test plays the server
	JobID, RunID      uuid.UUID         // of the events that PublishN publishes
	Clients           []*Client         // made so far

	more []uuid.UUID // jobs and runs of PublishRuns
}

// Bubble runs a test in a synctest bubble, with a server that is not started.
// At the end it checks the server and the clients, and closes the server.
func Bubble(t *testing.T, test func(s *Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		test(s)
		for _, c := range s.Clients {
			c.check()
		}
		if s.Server != nil {
			s.Check()
			s.Close()
			s.Check()
		}
	})
}

// Serve runs a test as [Bubble] does, with a server that serves.
func Serve(t *testing.T, cfg momserver.Config, test func(s *Server)) {
	t.Helper()
	Bubble(t, func(s *Server) {
		s.Config = cfg
		s.Start()
		test(s)
	})
}

// OnSocket returns a server that serves on a socket until the test ends.
func OnSocket(t *testing.T, cfg momserver.Config) *Server {
	t.Helper()
	s := newServer(t)
	s.Config, s.Addr = cfg, loopback()
	s.Start()
	t.Cleanup(func() { s.Close() })
	return s
}

func newServer(t *testing.T) *Server {
	return &Server{T: t, Addr: MemAddr, Ledger: new(invariant.Ledger), JobID: uuid.New(), RunID: uuid.New()}
}

// loopback is where servers listen. Before a server is started again there,
// another socket may take a port of 127.0.0.1, such as that of an outgoing
// connection. Linux has other loopback addresses, from which no program connects.
func loopback() string {
	if runtime.GOOS == "linux" {
		return "127.0.0.2:0"
	}
	return "127.0.0.1:0"
}

// Start starts a server at the address. A later one has another epoch.
func (s *Server) Start() {
	s.T.Helper()
	s.New()
	s.Listen()
}

// New makes a server that does not listen yet.
func (s *Server) New() {
	s.Server = momserver.New(s.Config)
	s.Ledger.Begin(s.Epoch())
}

// Listen has the server serve at the address.
func (s *Server) Listen() {
	s.T.Helper()
	l, err := s.listen()
	if err != nil {
		s.T.Fatal(err)
	}
	s.Addr = l.Addr().String()
	srv := s.Server
	go func() {
		if err := srv.Serve(l); !errors.Is(err, momserver.ErrServerClosed) {
			s.T.Error(err)
		}
	}()
	if s.Addr == MemAddr {
		synctest.Wait()
	}
}

func (s *Server) listen() (net.Listener, error) {
	if s.Addr == MemAddr {
		return s.Net.Listen(s.Addr)
	}
	return net.Listen("tcp", s.Addr)
}

// Check checks what is bounded, and why subscribers were dropped.
func (s *Server) Check() {
	report, st := invariant.Fails(s.T), s.Stats()
	report.Bound("events cached", st.Cached, s.Config.CacheEvents)
	if st.Cached > 1 {
		report.Bound("bytes of events cached", st.CachedBytes, s.Config.CacheBytes)
	}
	report.Bound("runs", st.Runs, s.Config.MaxRuns)
	report.Bound("jobs", len(s.Jobs()), s.Config.MaxJobs)
	report.Bound("connections", st.Connections, s.Config.MaxConns)
	report.Bound("subscribers", st.Subscribers, s.Config.MaxSubscribers)
	for _, sub := range s.Subscribers() {
		report.Bound("calls unanswered", sub.InFlight, s.Config.Window)
	}
	for _, d := range st.Dropped {
		report.Drop(d.Name+" at "+d.Addr, d.Reason.String(), slices.Contains(momserver.Reasons(), d.Reason), d.Detail)
	}
}

// Publish publishes an event and records it in the ledger.
func (s *Server) Publish(e wire.Event) error {
	goesOn := e.Data.Initialize != nil && e.Data.Initialize.ContinueOnError
	final := e
	final.Data.Status.Final = e.Data.Status.State.EndsRun(goesOn)
	s.Ledger.Publish(invariant.Mark{
		JobID: e.JobID, Name: e.Name(), RunID: e.RunID, State: e.Data.Status.State,
		Severity: final.Severity(), Outcome: final.Outcome(),
	})
	err := s.Server.Publish(e)
	if err != nil {
		s.Ledger.Refused()
	}
	return err
}

// PublishN publishes n events of one run, which does not end.
func (s *Server) PublishN(n int) {
	s.T.Helper()
	s.PublishRuns(n, 1)
}

// PublishRuns publishes n events of so many runs in turn, none of which ends.
func (s *Server) PublishRuns(n, runs int) {
	s.T.Helper()
	for len(s.more) < 2*(runs-1) {
		s.more = append(s.more, uuid.New())
	}
	for i := range n {
		job, run, name := s.JobID, s.RunID, "job"
		if k := i % runs; k > 0 {
			job, run, name = s.more[2*k-2], s.more[2*k-1], fmt.Sprint("job ", k)
		}
		s.Must(Event(job, run, name, wire.Transferring))
	}
}

// Must publishes an event and ends the test if the server refuses it.
func (s *Server) Must(e wire.Event) {
	s.T.Helper()
	if err := s.Publish(e); err != nil {
		s.T.Fatal(err)
	}
}

// Event returns an event. The name may be empty.
func Event(job, run uuid.UUID, name string, state wire.State) wire.Event {
	e := wire.Event{JobID: job, RunID: run, Data: wire.TransferData{Status: wire.Status{State: state}}}
	if name != "" {
		e.Data.Initialize = &wire.InitializeData{Name: name}
	}
	return e
}

// MustStartJob starts a run and ends the test if the server refuses it.
func (s *Server) MustStartJob(job uuid.UUID, init wire.InitializeData) *momserver.Job {
	s.T.Helper()
	j, err := s.StartJob(job, init)
	if err != nil {
		s.T.Fatal(err)
	}
	return j
}

// Ran records that a run of the job of that name has passed the states.
func (s *Server) Ran(j *momserver.Job, name string, states ...wire.State) {
	for _, state := range states {
		m := invariant.Mark{JobID: j.JobID(), Name: name, RunID: j.RunID(), State: state, Severity: wire.SeverityProcessing}
		switch {
		case state.IsError():
			m.Severity, m.Outcome = wire.SeverityError, wire.Failed
		case state == wire.JobCompleted:
			m.Outcome = wire.Succeeded
		}
		s.Ledger.Publish(m)
	}
}

// Dial returns a connection to the server on which nothing has been said.
func (s *Server) Dial() net.Conn {
	s.T.Helper()
	nc, err := s.Net.DialContext(context.Background(), "tcp", s.Addr)
	if s.Addr != MemAddr {
		nc, err = net.Dial("tcp", s.Addr)
	}
	if err != nil {
		s.T.Fatal(err)
	}
	return nc
}

// DialFrom is Dial from an IP address, on the network in memory.
func (s *Server) DialFrom(ip string) net.Conn {
	s.T.Helper()
	nc, err := s.Net.DialFrom(context.Background(), net.JoinHostPort(ip, "4000"), s.Addr)
	if err != nil {
		s.T.Fatal(err)
	}
	return nc
}

// Greeted returns a greeted connection, for a peer that is no momclient. It
// closes nothing by itself.
func (s *Server) Greeted() net.Conn {
	s.T.Helper()
	nc := s.Dial()
	if _, err := protocol.Greet(nc, "", time.Second); err != nil {
		s.T.Fatal(err)
	}
	return nc
}

// LongTimes bounds the connections of peers that take their time.
var LongTimes = duplex.ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Hour, MessageTimeout: time.Hour}

// Peer returns a greeted connection that serves nothing before its Serve is
// called.
func (s *Server) Peer() *duplex.Conn {
	s.T.Helper()
	return duplex.NewConn(s.Greeted(), LongTimes)
}

// Play has the test play the server: each connection is given to play, on a
// goroutine of its own. Nothing is known of what such a server publishes.
func (s *Server) Play(play func(net.Conn)) {
	s.T.Helper()
	s.Ledger = invariant.Unknown()
	l, err := s.listen()
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { l.Close() })
	go func() {
		for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
			go play(nc)
		}
	}()
}

// PlayService has the test play the server by methods: each connection is
// greeted, and served with what service returns for it.
func (s *Server) PlayService(service func(*duplex.Conn) any) {
	s.T.Helper()
	s.Play(func(nc net.Conn) {
		protocol.ReadHello(nc)
		protocol.Accept(nc, Welcome)
		conn := duplex.NewConn(nc, LongTimes)
		conn.Serve(protocol.ServerService, service(conn))
	})
}

// Welcome is the greeting of a server that the test plays.
var Welcome = protocol.Welcome{Epoch: uuid.NameSpaceOID, Heartbeat: protocol.MaxHeartbeat, MaxMessage: 1 << 16}
