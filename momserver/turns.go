package momserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// turns.go keeps the TLS handshakes of strangers, and the calls of clients, from
// taking all processors.

// turns lets a bounded number of connections compute at once. The addresses take
// turns. Of the connections from one address the oldest is first or, if
// newestFirst is set, the newest, so that a newcomer does not wait for a flood
// that came before it.
type turns struct {
	newestFirst bool

	mu      sync.Mutex // guards the fields below
	free    int
	waiting map[netip.Addr][]chan struct{} // the newest last; no empty slice
	order   []netip.Addr                   // the addresses in waiting, the next one first
}

// newTurns returns turns of which n can be held at once.
func newTurns(n int, newestFirst bool) *turns {
	return &turns{newestFirst: newestFirst, free: n, waiting: make(map[netip.Addr][]chan struct{})}
}

// take waits for a turn, which release ends. It returns false if done is closed
// first.
func (t *turns) take(done <-chan struct{}, addr netip.Addr) bool {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	if t.waiting[addr] == nil {
		t.order = append(t.order, addr)
	}
	t.waiting[addr] = append(t.waiting[addr], turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-done:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting[addr], turn); i >= 0 {
		t.remove(addr, i)
	} else {
		t.releaseLocked() // the turn has come meanwhile
	}
	return false
}

// remove removes a waiting connection. mu is held.
func (t *turns) remove(addr netip.Addr, i int) {
	if t.waiting[addr] = slices.Delete(t.waiting[addr], i, i+1); len(t.waiting[addr]) == 0 {
		delete(t.waiting, addr)
		t.order = slices.DeleteFunc(t.order, func(other netip.Addr) bool { return other == addr })
	}
}

func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releaseLocked()
}

// releaseLocked is release with mu held.
func (t *turns) releaseLocked() {
	if len(t.order) == 0 {
		t.free++
		return
	}
	addr := t.order[0]
	t.order = append(t.order[1:], addr)
	next := 0
	if t.newestFirst {
		next = len(t.waiting[addr]) - 1
	}
	close(t.waiting[addr][next])
	t.remove(addr, next)
}

// maxTurn bounds a turn, so that a slow function of Config.TLS holds up no other
// connection.
const maxTurn = 50 * time.Millisecond

// The number of bytes of a handshake that a client may send is bounded, because the
// server keeps a long message until all of it has come. A certificate needs more
// bytes.
const (
	maxHandshake                = 16 << 10
	maxHandshakeWithCertificate = 64 << 10
)

var errLongHandshake = errors.New("the client sends too much")

// handshakeConn is the connection below a TLS handshake. The handshake computes
// from the end of a read to the next read or write, and has a turn meanwhile. So
// a peer that lets the handshake wait has none.
type handshakeConn struct {
	net.Conn
	ctx  context.Context // of the handshake
	srv  *Server
	addr netip.Addr
	read int    // bytes of the handshake that were read
	over bool   // the handshake has ended
	end  func() // ends the turn; nil without one
}

func (h *handshakeConn) Read(p []byte) (int, error) {
	h.endTurn()
	n, err := h.Conn.Read(p)
	if h.over || n == 0 {
		return n, err
	}
	if h.read += n; h.read == n {
		if err := h.srv.slowDown(h.ctx, h.addr); err != nil {
			return n, err
		}
	}
	if h.read > h.srv.cfg.maxHandshake() {
		return 0, errLongHandshake
	}
	if !h.srv.handshakes.take(h.ctx.Done(), h.addr) {
		return n, h.ctx.Err()
	}
	end := sync.OnceFunc(h.srv.handshakes.release)
	timer := time.AfterFunc(maxTurn, end)
	h.end = func() {
		timer.Stop()
		end()
	}
	return n, err
}

func (h *handshakeConn) Write(p []byte) (int, error) {
	h.endTurn()
	return h.Conn.Write(p)
}

// NetConn returns the connection below.
func (h *handshakeConn) NetConn() net.Conn { return h.Conn }

// endTurn ends the turn, if there is one.
func (h *handshakeConn) endTurn() {
	if h.end != nil {
		h.end()
		h.end = nil
	}
}

// finish ends the handshake. From then on the connection only passes bytes on.
func (h *handshakeConn) finish() {
	h.endTurn()
	h.over = true
}
