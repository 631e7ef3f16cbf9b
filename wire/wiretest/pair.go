package wiretest

import "time"

// pair is one connection: two flows, two ends. The network's mu guards it.
type pair struct {
	link           *Link
	client, server *faultConn
	flows          [2]*flow // by Way
	forgotten      bool     // half-open
	seen           Seen
}

func newPair(l *Link, local, remote addr) *pair {
	p := &pair{link: l}
	for _, way := range Ways {
		p.flows[way] = &flow{link: l, way: way, framer: framer{way: way}}
	}
	p.client = &faultConn{pair: p, out: Up, local: local, remote: remote}
	p.server = &faultConn{pair: p, out: Down, local: remote, remote: local}
	return p
}

// reset breaks the connection at both ends.
func (p *pair) reset() {
	p.client.reset()
	p.server.reset()
}

// void takes bytes that vanish. Who sends them is told, unless the way is
// blocked.
func (p *pair) void(way Way, n int, now time.Time) {
	p.seen.Impaired = now
	f := p.flows[way]
	f.bytes += n // until somebody is told, as unacknowledged
	p.retell(now)
}

// retell has a reset come to those who wrote into the void, where it can.
func (p *pair) retell(now time.Time) {
	if !p.forgotten || !p.link.blocked[Up].IsZero() || !p.link.blocked[Down].IsZero() {
		return
	}
	for _, end := range []*faultConn{p.client, p.server} {
		if p.flows[end.out].bytes > 0 {
			end.resetAt(p.link.answer(now))
		}
	}
}

// note remembers that the connection is impaired, if it is.
func (p *pair) note(now time.Time) {
	if p.forgotten || p.link.impaired() {
		p.seen.Impaired = now
	}
}

func (p *pair) wake() {
	p.client.wake()
	p.server.wake()
}
