package jobs

import (
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire/duplex"
)

// Connection is the state of the connection to the server. State is the last
// [momclient.ConnectionKind] in one word: "connecting" before the first
// connection, "connected", "lost", "reconnecting" during all attempts,
// "refused", "draining" or "closed".
type Connection struct {
	Server    string    `json:"server"`
	State     string    `json:"state"`
	Connected bool      `json:"connected"`      // events come
	Since     time.Time `json:"since,omitzero"` // when Connected last changed
	Epoch     uuid.UUID `json:"epoch,omitzero"` // of the server
	Resumed   int       `json:"resumed"`        // how often the connection was resumed
	Restarts  int       `json:"restarts"`       // how often the server was restarted
	Events    uint64    `json:"events"`         // received, including snapshots
	Missed    uint64    `json:"missed"`         // events in gaps, in total
	Error     string    `json:"error,omitempty"`
	Final     bool      `json:"final,omitempty"`   // refused for good: no attempt follows
	Attempt   int       `json:"attempt,omitempty"` // number of attempts since the loss
	NextTry   time.Time `json:"nextTry,omitzero"`  // when the next attempt is
}

// Connection returns the state of the connection.
func (b *Board) Connection() Connection {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conn
}

// Status adds the next status of the connection.
func (b *Board) Status(s momclient.ConnectionStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version++
	c := &b.conn
	c.Server = s.Server
	if c.Since.IsZero() {
		c.Since = s.Time.UTC()
	}
	switch s.Kind {
	case momclient.Connected, momclient.Resumed:
		b.connected(s)
		return
	case momclient.Connecting:
		if c.State == "" {
			c.State = s.Kind.String()
		}
		return
	case momclient.Reconnecting:
		c.Attempt, c.NextTry = s.Attempt, s.Time.Add(s.Delay).UTC()
	default: // the last error stays
		c.NextTry = time.Time{}
	}
	if s.Err != nil {
		c.Error = duplex.Clip(s.Err.Error(), MaxText)
	}
	c.State, c.Final = s.Kind.String(), s.Final
	b.live(s.Kind == momclient.Draining && c.Connected, s.Time)
}

// connected records that events come. mu is held.
func (b *Board) connected(s momclient.ConnectionStatus) {
	c := &b.conn
	c.State, c.Error, c.Final, c.Attempt, c.NextTry = momclient.Connected.String(), "", false, 0, time.Time{}
	if s.Kind == momclient.Resumed {
		c.Resumed++
	}
	b.live(true, s.Time)
	b.turn(s.Epoch, b.now())
	if s.Missed == 0 {
		return
	}
	// The first event after the gap has the count of missed events. If no event
	// comes, the runs without an event since the gap are doubtful all the same.
	for r := range b.running {
		if r.rate.heard.Before(s.Time) {
			b.doubted[r] = struct{}{}
		}
	}
	b.doubtAt = b.now()
}

// live sets Connected, and when it changed. mu is held.
func (b *Board) live(is bool, at time.Time) {
	if b.conn.Connected != is {
		b.conn.Connected, b.conn.Since = is, at.UTC()
	}
}
