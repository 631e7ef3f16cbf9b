package momserver

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"
)

// turns.go keeps the TLS handshakes of strangers from taking all processors.

// turns lets a bounded number of handshakes compute at once. The addresses take
// turns. Of the connections from one address the newest is first, so that a
// newcomer does not wait for a flood that came before it.
type turns struct {
	mu      sync.Mutex // guards the fields below
	free    int
	waiting map[netip.Addr][]chan struct{} // the newest last; no empty slice
	order   []netip.Addr                   // the addresses in waiting, the next one first
}

// newTurns leaves half of the processors to the rest of the program.
func newTurns() *turns {
	return &turns{free: max(1, runtime.GOMAXPROCS(0)/2), waiting: make(map[netip.Addr][]chan struct{})}
}

// take waits for a turn, which release ends. If ctx ends first, take returns its
// error.
func (t *turns) take(ctx context.Context, addr netip.Addr) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	if t.waiting[addr] == nil {
		t.order = append(t.order, addr)
	}
	t.waiting[addr] = append(t.waiting[addr], turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting[addr], turn); i >= 0 {
		t.remove(addr, i)
	} else {
		t.releaseLocked() // the turn has come meanwhile
	}
	return ctx.Err()
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
	newest := len(t.waiting[addr]) - 1
	close(t.waiting[addr][newest])
	t.remove(addr, newest)
}

// maxTurn bounds a turn, so that a slow function of Config.TLS holds up no other
// connection.
const maxTurn = 50 * time.Millisecond

// handshakeConn is the connection below a TLS handshake. The handshake computes
// from the end of a read to the next read or write, and has a turn meanwhile. So
// a peer that lets the handshake wait has none.
type handshakeConn struct {
	net.Conn
	ctx   context.Context // of the handshake
	srv   *Server
	addr  netip.Addr
	begun bool   // the peer has sent something
	over  bool   // the handshake has ended
	end   func() // ends the turn; nil without one
}

func (h *handshakeConn) Read(p []byte) (int, error) {
	h.endTurn()
	n, err := h.Conn.Read(p)
	if h.over || n == 0 {
		return n, err
	}
	if !h.begun {
		h.begun = true
		if err := h.srv.slowDown(h.ctx, h.addr); err != nil {
			return n, err
		}
	}
	if err := h.srv.turns.take(h.ctx, h.addr); err != nil {
		return n, err
	}
	end := sync.OnceFunc(h.srv.turns.release)
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
