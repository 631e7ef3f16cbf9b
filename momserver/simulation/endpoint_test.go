package simulation_test

import (
	"context"
	"net"
	"strings"
	"sync"

	"mom.internal/wire/wiretest/faultnet"
)

// endpoint is where the server dials back to a subscriber: over a link of its
// own, on which faults are made as on any other.
type endpoint struct {
	*actor
	main, back *faultnet.Link

	mu        sync.Mutex        // guards all below
	from      string            // the address of the client's own connection, the latest
	listeners map[string]string // their addresses, by that of the client's own connection
}

// drawEndpoint draws whether the subscriber has one.
func (s *subscriber) drawEndpoint() {
	p := &endpoint{actor: s.w.actor(s.name + "/callback"), main: s.link, listeners: make(map[string]string)}
	if s.backs == 0 || !p.odds(s.backs) {
		return
	}
	s.endpoint = p
	p.back = s.w.link(p.actor, s.ip, s.latency, s.latency, s.buffer, s.pieces)
	if !s.healthy {
		s.w.driver.victims = append(s.w.driver.victims, victim{p.back, p.name})
	}
	s.opts.CallbackAddr, s.opts.DialContext, s.opts.Listen = ":0", p.dial, p.listen
}

// dial connects to the server.
func (p *endpoint) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := p.main.DialContext(ctx, network, address)
	if err == nil {
		p.mu.Lock()
		p.from = nc.LocalAddr().String()
		p.mu.Unlock()
	}
	return nc, err
}

// listen opens the endpoint of the client's latest connection.
func (p *endpoint) listen(network, address string) (net.Listener, error) {
	l, err := p.back.Listen(network, address)
	if err == nil {
		p.mu.Lock()
		p.listeners[p.from] = l.Addr().String()
		p.mu.Unlock()
	}
	return l, err
}

// of returns the address of the endpoint that belongs to the client's own
// connection; "" for none.
func (p *endpoint) of(main string) string {
	if p == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listeners[main]
}

// intrude has strangers connect to an endpoint and go, one after another, more
// of them than may be there at once.
func (p *endpoint) intrude(ctx context.Context, network, address string) {
	p.mu.Lock()
	strangers := 0
	if p.odds(3) {
		strangers = 9
	}
	p.mu.Unlock()
	for range strangers {
		if nc, err := p.back.DialBack(ctx, network, address); err == nil {
			nc.Close()
		}
	}
}

// dialBack connects the server to an endpoint, where strangers may have come
// first.
func (w *simulation) dialBack(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	if host == badIP {
		return w.bad.link.DialBack(ctx, network, address)
	}
	for _, s := range w.subscribers {
		if strings.Trim(s.ip, "[]") == host && s.endpoint != nil {
			s.endpoint.intrude(ctx, network, address)
			return s.endpoint.back.DialBack(ctx, network, address)
		}
	}
	panic("nobody has an endpoint at " + address)
}
