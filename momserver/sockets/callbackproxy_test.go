package sockets_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"regexp"
	"sync"
)

// callbackProxy is the way of clients with a callback endpoint. It passes on what they
// say, TLS or not, but for the address of the endpoint: the server dials a
// proxy before it. The first connection to a first endpoint is cut.
type callbackProxy struct {
	srv    *testServer
	l      net.Listener
	pieces bool // each byte is a segment of its own, on connections to endpoints
	cut    *cut // nil for none

	conns sync.WaitGroup

	mu    sync.Mutex // guards backs
	backs []*proxy
}

// newCallbackProxy returns a callbackProxy to a server. It ends by close, with all its
// connections.
func newCallbackProxy(srv *testServer, c *cut) *callbackProxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	d := &callbackProxy{srv: srv, l: l, cut: c}
	d.conns.Go(d.accept)
	return d
}

func (d *callbackProxy) addr() string { return d.l.Addr().String() }

// length is that of the connections to endpoints.
func (d *callbackProxy) length(w way) (n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.backs {
		n += m.length(w)
	}
	return n
}

func (d *callbackProxy) close() {
	d.l.Close()
	d.conns.Wait()
	for _, m := range d.backs {
		m.close()
	}
}

func (d *callbackProxy) accept() {
	for {
		nc, err := d.l.Accept()
		if err != nil {
			return
		}
		d.conns.Go(func() { d.pass(nc) })
	}
}

// pass is a client's own connection. Whoever ends it ends it for both.
func (d *callbackProxy) pass(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", d.srv.Addr)
	if err != nil {
		return
	}
	defer far.Close()
	client, server := near, far
	if d.srv.tls != nil {
		client, server = tls.Server(near, d.srv.own), tls.Client(far, d.srv.tls)
	}
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(client, server)
		near.Close()
		far.Close()
	})
	if d.divert(server, client) == nil {
		io.Copy(server, client)
	}
	near.Close()
	far.Close()
	back.Wait()
}

// callbackAddr is what is told of an endpoint.
var callbackAddr = regexp.MustCompile(`127\.0\.0\.1:\d{5}`)

// divert passes on the greeting, without a token, and the first call, which is
// Subscribe, with another address in it that is as long.
func (d *callbackProxy) divert(server io.Writer, client io.Reader) error {
	opening := make([]byte, 7+5) // a greeting, a frame's head
	if _, err := io.ReadFull(client, opening[:7]); err != nil {
		return err
	}
	if _, err := server.Write(opening[:7]); err != nil {
		return err
	}
	if _, err := io.ReadFull(client, opening[7:]); err != nil {
		return err
	}
	call := make([]byte, binary.BigEndian.Uint32(opening[8:]))
	if _, err := io.ReadFull(client, call); err != nil {
		return err
	}
	at := callbackAddr.Find(call)
	m := d.before(string(at))
	if told := copy(at, m.addr()); told != len(m.addr()) {
		d.srv.T.Errorf("no address %s in Subscribe, nor one as long: %q", m.addr(), call)
	}
	_, err := server.Write(append(opening[7:], call...))
	return err
}

// before returns a proxy before an endpoint.
func (d *callbackProxy) before(endpoint string) *proxy {
	d.mu.Lock()
	defer d.mu.Unlock()
	var c *cut
	if len(d.backs) == 0 {
		c = d.cut
	}
	m := newProxy(endpoint, c)
	m.pieces = d.pieces
	d.backs = append(d.backs, m)
	return m
}
