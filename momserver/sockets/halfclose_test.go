package sockets_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"strings"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/invariant"
)

// halfPeer is a client that ends what it says, and goes on reading.
type halfPeer struct {
	srv    *testServer
	name   string
	nc     net.Conn // under TLS where the server speaks it
	socket *net.TCPConn
	stream *invariant.Stream
	told   chan wire.Cursor // the place after each event
}

func (srv *testServer) halfPeer(name string) *halfPeer {
	srv.T.Helper()
	nc, err := net.Dial("tcp", srv.Addr)
	if err != nil {
		srv.T.Fatal(err)
	}
	p := &halfPeer{srv: srv, name: name, nc: nc, socket: nc.(*net.TCPConn), told: make(chan wire.Cursor, 1000)}
	p.stream = invariant.NewStream(srv.Ledger, wire.Filter{}, srv.violated(name))
	if srv.tls != nil {
		p.nc = tls.Client(nc, srv.tls)
	}
	return p
}

// greet does TLS, where there is any, and the greeting.
func (p *halfPeer) greet() {
	p.srv.T.Helper()
	if _, err := protocol.Greet(p.nc, "", time.Minute); err != nil {
		p.srv.T.Fatalf("%s: %v", p.name, err)
	}
}

// says does TLS, where there is any, and writes.
func (p *halfPeer) says(bytes ...byte) {
	p.srv.T.Helper()
	if _, err := p.nc.Write(bytes); err != nil {
		p.srv.T.Errorf("%s: %v", p.name, err)
	}
}

// subscribe asks for all that is cached, and has room for it.
func (p *halfPeer) subscribe() {
	p.srv.T.Helper()
	p.greet()
	args := &protocol.SubscribeArgs{Name: "half", From: wire.FromOldest, Credit: protocol.Credit{Events: 1000, Bytes: 1 << 40}}
	p.says(attack.Frame(1, attack.Call(protocol.MethodSubscribe, args))...)
}

// halfClose ends what it says: by an alert of TLS, or the stream under it.
func (p *halfPeer) halfClose(alert bool) {
	p.srv.T.Helper()
	end := p.socket.CloseWrite
	if alert {
		end = p.nc.(*tls.Conn).CloseWrite
	}
	if err := end(); err != nil {
		p.srv.T.Errorf("%s: %v", p.name, err)
	}
}

// mute hears, and sends nothing.
type mute struct{ net.Conn }

func (mute) Write(p []byte) (int, error) { return len(p), nil }

// follow takes calls, and answers none, until the connection ends.
func (p *halfPeer) follow() error {
	conn := duplex.NewConn(mute{p.nc}, duplex.ConnConfig{MaxMessage: protocol.MaxServerMessage, MaxWaiting: 1 << 20, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
	// It stands for the call that was made before: its answer is still to come.
	conn.Client().Go(protocol.MethodSubscribe, &protocol.SubscribeArgs{}, &protocol.Subscribed{}, make(chan *rpc.Call, 1))
	return conn.Serve(protocol.CallbackService, &halfEndpoint{p: p})
}

// halfEndpoint is what is called.
type halfEndpoint struct {
	p       *halfPeer
	decoder *protocol.EventDecoder
	missed  uint64 // and not told yet
}

func (e *halfEndpoint) Notify(b *protocol.Batch, _ *protocol.Ack) error {
	if len(b.Types) > 0 {
		e.decoder = protocol.NewEventDecoder(b.Types)
	}
	e.missed += b.Missed
	err := e.decoder.Decode(b.Events, int(b.Count), func(ev *wire.Event) {
		told := *ev
		told.Epoch, told.Snapshot, told.Missed = e.p.srv.Epoch(), b.Snapshot > 0, e.missed
		e.missed = 0
		e.p.stream.Event(told)
		e.p.told <- told.Cursor()
	})
	if err != nil {
		e.p.srv.T.Errorf("%s: %v", e.p.name, err)
	}
	return err
}

// A layer is under which protocol something happens.
type layer int

const (
	either layer = iota
	plain
	belowTLS
	inTLS
)

// half is a stage at which a client half-closes.
type half struct {
	stage string
	until func(*halfPeer)
	under layer

	hears string // in answer
	after uint64 // the event that it has been told; 0 for none, and no subscription
	drop  string // what the server says of it
}

var halves = []half{
	{stage: "silent", under: plain, until: func(*halfPeer) {}, hears: "mom:lost:"},
	{stage: "silent", under: belowTLS, until: func(p *halfPeer) { p.nc = p.socket }},
	{stage: "within TLS's handshake", under: belowTLS, until: func(p *halfPeer) { p.nc = p.socket; p.says([]byte("\x16\x03\x01\x02")...) }},
	{stage: "after TLS's handshake", under: inTLS, until: func(p *halfPeer) { p.nc.(*tls.Conn).Handshake() }, hears: "mom:lost:"},
	{stage: "within its greeting", until: func(p *halfPeer) { p.says([]byte("MoM\x01")...) }, hears: "mom:lost:"},
	{stage: "greeted", until: (*halfPeer).greet},
	{stage: "within a frame's head", until: func(p *halfPeer) { p.greet(); p.says(1, 0, 0) }},
	{stage: "within a frame", until: func(p *halfPeer) { p.greet(); p.says(1, 0, 0, 1, 0, 1, 2, 3) }},
	{stage: "told something", until: (*halfPeer).subscribe, after: 1, drop: "closed the connection"},
	{stage: "told all", until: (*halfPeer).subscribe, after: 30, drop: "closed the connection"},
	{stage: "told all, and within a frame", until: func(p *halfPeer) { p.subscribe(); p.says(1, 0) }, after: 30, drop: "closed the connection within a message"},
}

// TestClientHalfCloses has clients end what they say at every stage, by TLS or
// under it, and go on reading: each hears what is on its way to it, and then
// the end. The server drops those that are subscribed because their connection
// is lost, and holds nothing of any.
func TestClientHalfCloses(t *testing.T) {
	for _, secured := range secure() {
		for _, tc := range halves {
			for _, alert := range []bool{false, true} {
				if tc.under != either && (tc.under != plain) != secured || alert && (tc.under == belowTLS || !secured) {
					continue
				}
				srv := newReplayServer(t, secured, "")
				srv.halfClosed(fmt.Sprintf("%s, TLS %v, by its alert %v", tc.stage, secured, alert), tc, alert)
			}
		}
	}
}

// halfClosed has one client do so.
func (srv *testServer) halfClosed(name string, at half, alert bool) {
	t, p := srv.T, srv.halfPeer(name)
	t.Helper()
	defer p.socket.Close()
	p.socket.SetDeadline(time.Now().Add(hangs))
	at.until(p)
	if at.after == 0 {
		p.halfClose(alert)
		if said, err := io.ReadAll(p.nc); err != nil || !strings.Contains(string(said), at.hears) || at.hears == "" && len(said) > 0 {
			t.Errorf("%s: it hears %q, %v; want %q", name, said, err, at.hears)
		}
	} else {
		ended := make(chan error, 1)
		go func() { ended <- p.follow() }()
		for told := uint64(0); told < at.after; {
			select {
			case c := <-p.told:
				told = c.Seq
			case err := <-ended:
				t.Fatalf("%s: it ends after event %d: %v", name, told, err)
			}
		}
		p.halfClose(alert)
		if err := <-ended; !errors.Is(err, wire.Lost) || !strings.HasSuffix(err.Error(), "closed the connection") {
			t.Errorf("%s: it reads to the end: %v", name, err)
		}
	}
	p.socket.Close()
	eventually(t, name+": closed", func() bool { st := srv.Stats(); return st.Connections == 0 && st.Subscribers == 0 })
	srv.droppedFor(name, at.drop)
	srv.settles(name)
}

// droppedFor wants the only subscriber to have been dropped in these words; ""
// for none that was.
func (srv *testServer) droppedFor(name, words string) {
	srv.T.Helper()
	drops := srv.Stats().Dropped
	switch {
	case words == "" && len(drops) == 0:
	case words != "" && len(drops) == 1 && drops[0].Reason == momserver.ReasonConnectionLost && strings.HasSuffix(drops[0].Detail, words):
	default:
		srv.violated(name)(invariant.Violation{Invariant: invariant.Reasons, Detail: fmt.Sprintf("dropped were %+v; want %q", drops, words)})
	}
}
