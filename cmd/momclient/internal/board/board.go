// Package board has what the monitor shows of one server: the jobs, and the state of
// the connection. Packages screen and web show a board. Its methods may be called from
// several goroutines.
package board

import (
	"sync"
	"time"

	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/wire/duplex"
)

// Board is the jobs with the connection.
type Board struct {
	*jobs.Tracker

	mu       sync.Mutex // guards the fields below
	conn     Connection
	statuses uint64 // received
}

// View is a copy of a board at one moment.
type View struct {
	jobs.View
	Connection Connection `json:"connection"`
}

// Connection is the state of the connection to the server, with what came on it.
// State is the last [momclient.ConnectionKind] in one word: "connecting" before the
// first connection, "connected", "lost", "reconnecting" during all attempts,
// "refused", "draining" or "closed".
type Connection struct {
	jobs.Stream
	Name      string    `json:"name"`   // of the server, as the user has named it
	Server    string    `json:"server"` // the server's address
	State     string    `json:"state"`
	Connected bool      `json:"connected"`      // events come
	Since     time.Time `json:"since,omitzero"` // when Connected last changed
	Resumed   int       `json:"resumed"`        // how often the connection was resumed
	Error     string    `json:"error,omitempty"`
	Final     bool      `json:"final,omitempty"`   // refused for good: no attempt follows
	Attempt   int       `json:"attempt,omitempty"` // number of attempts since the loss
	NextTry   time.Time `json:"nextTry,omitzero"`  // when the next attempt is
}

// New returns a board without jobs, of the server with the name. addr is shown until
// the first status.
func New(name, addr string, opts jobs.Options) *Board {
	return &Board{Tracker: jobs.New(opts), conn: Connection{Name: name, Server: addr}}
}

// Name returns the name of the server.
func (b *Board) Name() string { return b.conn.Name } // never changes

// Version changes with every event and every status.
func (b *Board) Version() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.statuses + b.Tracker.Version()
}

// View returns a copy of the board.
func (b *Board) View() View {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := View{View: b.Tracker.View(), Connection: b.conn}
	v.Version += b.statuses
	v.Connection.Stream = v.Stream
	return v
}

// Connection returns the state of the connection.
func (b *Board) Connection() Connection {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.conn
	c.Stream = b.Stream()
	return c
}

// Status adds the next status of the connection.
func (b *Board) Status(s momclient.ConnectionStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.statuses++
	c := &b.conn
	c.Server = s.Server
	if c.Since.IsZero() {
		c.Since = s.Time.UTC()
	}
	switch s.Kind {
	case momclient.Connected, momclient.Resumed:
		if s.Kind == momclient.Resumed {
			c.Resumed++
		}
		c.State, c.Error, c.Final, c.Attempt, c.NextTry = momclient.Connected.String(), "", false, 0, time.Time{}
		b.live(true, s.Time)
		b.Tracker.Connected(s.Time, s.Epoch, s.Missed)
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
		c.Error = duplex.Clip(s.Err.Error(), jobs.MaxText)
	}
	c.State, c.Final = s.Kind.String(), s.Final
	b.live(s.Kind == momclient.Draining && c.Connected, s.Time)
	if !c.Connected {
		b.Tracker.Disconnected()
	}
}

// live sets Connected, and when it changed. mu is held.
func (b *Board) live(is bool, at time.Time) {
	if b.conn.Connected != is {
		b.conn.Connected, b.conn.Since = is, at.UTC()
	}
}
