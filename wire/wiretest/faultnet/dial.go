package faultnet

import (
	"context"
	"fmt"
	"net"
	"time"
)

// DialContext connects the client to a listener over the link; it fits
// momclient's Options.DialContext.
func (l *Link) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	return l.dial(ctx, Up, address)
}

// Listen opens a listener of the client's, for DialBack; it fits momclient's
// Options.Listen. Each has an address of its own, whatever was asked for.
func (l *Link) Listen(_, _ string) (net.Listener, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.made++
	return l.net.listen(fmt.Sprintf("%s:%d", l.name, firstEndpoint+l.made), true)
}

// firstEndpoint is below the ports on which clients listen, and above those
// that they connect from.
const firstEndpoint = 40000

// DialBack connects the server to a listener of the client's, over the link; it
// fits momserver's Config.DialContext.
func (l *Link) DialBack(ctx context.Context, _, address string) (net.Conn, error) {
	return l.dial(ctx, Down, address)
}

// dial connects the way.
func (l *Link) dial(ctx context.Context, way Way, address string) (net.Conn, error) {
	l.net.mu.Lock()
	due := l.answer(time.Now()).Add(l.delay)
	l.net.mu.Unlock()
	for {
		l.net.mu.Lock()
		wait := time.Until(due)
		if !l.blocked[Up].IsZero() || !l.blocked[Down].IsZero() {
			wait = time.Hour // until it changes
		} else if wait <= 0 {
			c, err := l.net.connect(l, way, address)
			if err == nil {
				l.net.pairs[string(c.pair.ends[Up].local)] = c.pair
				if l.twice {
					l.fromNobody(way, address)
				}
			}
			l.net.mu.Unlock()
			if err != nil {
				return nil, err
			}
			return c, nil
		}
		changed := l.changed
		l.net.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
			if now := time.Now(); !due.After(now) {
				due = l.arrival(now, way) // sent again
			}
		case <-ctx.Done():
			timer.Stop()
			l.giveUp(way, address, due)
			return nil, opError("dial", addr(address), ctx.Err())
		}
		timer.Stop()
	}
}

// giveUp has a connection that was given up arrive, if it may.
func (l *Link) giveUp(way Way, address string, due time.Time) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.late {
		time.AfterFunc(max(time.Until(due), l.shape.Latency), func() {
			l.net.mu.Lock()
			defer l.net.mu.Unlock()
			l.fromNobody(way, address)
		})
	}
}

// fromNobody makes a connection whose end that dials is not there. mu is held.
func (l *Link) fromNobody(way Way, address string) {
	if c, err := l.net.connect(l, way, address); err == nil {
		c.pair.forgotten = true
		c.close()
	}
}
