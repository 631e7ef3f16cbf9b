package faultnet

import "time"

// pair is one connection: two flows, two ends. The network's mu guards it.
type pair struct {
	link      *Link
	ends      [2]*conn // by the Way that they write: the client's, the server's
	flows     [2]*flow // by Way
	forgotten bool     // half-open
	seen      Seen
}

// newPair returns a connection that was dialled the way.
func newPair(l *Link, dialled Way, from, to addr) *pair {
	p := &pair{link: l}
	for _, way := range Ways {
		end := &conn{pair: p, out: way, local: from, remote: to}
		if way != dialled {
			end.local, end.remote = to, from
		}
		p.ends[way] = end
		p.flows[way] = &flow{link: l, way: way, framer: newFramer(way, dialled, l.shape.TLS)}
	}
	return p
}

// reset breaks the connection at both ends.
func (p *pair) reset() {
	for _, end := range p.ends {
		end.reset()
	}
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
	for _, end := range p.ends {
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
	for _, end := range p.ends {
		end.wake()
	}
}
