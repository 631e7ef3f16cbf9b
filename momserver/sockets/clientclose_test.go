package sockets_test

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// stuckServer greets, takes a subscription where it is told to, and answers
// nothing else.
type stuckServer struct {
	t     *testing.T
	l     net.Listener
	never chan struct{}
	at    string // where it is stuck
	calls chan string

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func newStuckServer(t *testing.T, at string) *stuckServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stuckServer{t: t, l: l, never: make(chan struct{}), at: at, calls: make(chan string, 1000)}
	go s.accept()
	t.Cleanup(func() {
		l.Close()
		close(s.never)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, nc := range s.conns {
			nc.Close()
		}
	})
	return s
}

func (s *stuckServer) accept() {
	for {
		nc, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, nc)
		s.mu.Unlock()
		go s.serve(nc)
	}
}

func (s *stuckServer) serve(nc net.Conn) {
	if s.at == "accept" {
		s.calls <- "accept"
		return
	}
	if _, err := protocol.ReadHello(nc); err != nil {
		return
	}
	if s.at == "greeting" {
		s.calls <- "greeting"
		return
	}
	protocol.Accept(nc, protocol.Welcome{Epoch: uuid.New(), Heartbeat: protocol.MaxHeartbeat, MaxMessage: 1 << 16})
	conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 1 << 16, MaxWaiting: 1 << 16, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
	conn.Serve(protocol.ServerService, &stuckService{s})
}

// stuckService is what it serves.
type stuckService struct{ s *stuckServer }

func (v *stuckService) call(name string) error {
	v.s.calls <- name
	if name == v.s.at {
		<-v.s.never
	}
	return nil
}

func (v *stuckService) Subscribe(*protocol.SubscribeArgs, *protocol.Subscribed) error {
	return v.call("Subscribe")
}
func (v *stuckService) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error {
	return v.call("Unsubscribe")
}
func (v *stuckService) Jobs(*protocol.JobsArgs, *protocol.Page) error { return v.call("Jobs") }

// TestClientClose closes clients whose server is stuck, each way in which it
// can be, and one whose server is well.
func TestClientClose(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at, until string // where the server is stuck, and what it has been asked when the client closes
		opts      momclient.Options
		ask       bool
	}{
		{at: "accept", until: "accept"},
		{at: "accept", until: "accept", opts: momclient.Options{TLS: &tls.Config{InsecureSkipVerify: true}}},
		{at: "greeting", until: "greeting"},
		{at: "Subscribe", until: "Subscribe"},
		{at: "Subscribe", until: "Subscribe", opts: momclient.Options{CallbackAddr: "127.0.0.1:0"}},
		{at: "Unsubscribe", until: "Subscribe"},
		{at: "Jobs", until: "Jobs", ask: true},
		{at: "accept", until: "accept", ask: true},
	} {
		s := newStuckServer(t, tc.at)
		tc.opts.AutoReconnect = true
		tc.opts.DialTimeout, tc.opts.CallTimeout = time.Minute, time.Minute
		c := momclient.New(s.l.Addr().String(), tc.opts)
		returned := make(chan error, 1)
		if tc.ask {
			go func() { _, err := c.Jobs(context.Background()); returned <- err }()
		} else {
			go func() { returned <- c.Subscribe(context.Background()) }()
		}
		for call := range s.calls {
			if call == tc.until {
				break
			}
		}
		if tc.at == "Unsubscribe" {
			if err := <-returned; err != nil {
				t.Error(err)
			}
			returned <- nil
		}
		closes(t, "a server stuck at "+tc.at, closeStuck, c.Close)
		if err := <-returned; err == nil && tc.at != "Unsubscribe" {
			t.Errorf("stuck at %s: no error", tc.at)
		}
	}

	srv := serve(t, momserver.Config{})
	c := momclient.New(srv.Addr, momclient.Options{AutoReconnect: true})
	handling, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	c.OnEvent(func(wire.Event) { close(handling); <-never })
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.PublishRuns(1, 1)
	<-handling
	closes(t, "within its handler", closeStuck, c.Close)
	c = momclient.New(srv.Addr, momclient.Options{AutoReconnect: true})
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	closes(t, "idle", closeIdle, c.Close)
	c = momclient.New("127.0.0.1:1", momclient.Options{AutoReconnect: true})
	retrying := make(chan struct{})
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Reconnecting && s.Attempt == 2 {
			close(retrying)
		}
	})
	go c.Subscribe(context.Background())
	<-retrying
	closes(t, "waiting to connect again", closeIdle, c.Close)
}
