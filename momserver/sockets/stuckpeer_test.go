package sockets_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// stuckPeer is a client that is no momclient.
type stuckPeer struct {
	t      *testing.T
	srv    *testServer
	nc     net.Conn // under TLS where the server speaks it
	socket net.Conn
}

func (srv *testServer) stuckPeer() *stuckPeer {
	srv.T.Helper()
	socket, err := net.Dial("tcp", srv.Addr)
	if err != nil {
		srv.T.Fatal(err)
	}
	srv.T.Cleanup(func() { socket.Close() })
	return &stuckPeer{t: srv.T, srv: srv, nc: socket, socket: socket}
}

// greet does TLS, where there is any, and the greeting.
func (p *stuckPeer) greet() {
	p.t.Helper()
	if p.srv.tls != nil {
		p.nc = tls.Client(p.socket, p.srv.tls)
	}
	if _, err := protocol.Greet(p.nc, "", time.Minute); err != nil {
		p.t.Fatal(err)
	}
}

// subscribe makes the call. It waits for nothing.
func (p *stuckPeer) subscribe(args protocol.SubscribeArgs) *duplex.Conn {
	p.t.Helper()
	p.greet()
	// It takes the first call, never answers it, and so reads no further.
	conn := duplex.NewConn(p.nc, duplex.ConnConfig{MaxMessage: 8 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
	never := make(chan struct{})
	p.t.Cleanup(func() {
		close(never)
		conn.Close(wire.Errorf(wire.Closed, "done"))
	})
	go conn.Serve(protocol.CallbackService, stuckEndpoint{never})
	conn.Client().Go(protocol.MethodSubscribe, &args, new(protocol.Subscribed), nil)
	return conn
}

// stuckEndpoint never answers.
type stuckEndpoint struct{ never chan struct{} }

func (e stuckEndpoint) Notify(*protocol.Batch, *protocol.Ack) error {
	<-e.never
	return nil
}

// endpoint listens, and speaks first where it is told to, but does no TLS.
func (p *stuckPeer) endpoint(ticket []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			p.t.Cleanup(func() { nc.Close() })
			p.srv.reached.Add(1)
			if ticket != nil {
				go protocol.OfferEndpoint(nc, ticket, time.Minute, func(nc net.Conn) (net.Conn, error) { return nc, nil })
			}
		}
	}()
	return l.Addr().String()
}
