package momclient

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// ConnectionKind says what happened to the connection.
type ConnectionKind uint8

// What may happen, in the order in which it usually does.
const (
	Connecting   ConnectionKind = iota + 1 // an attempt begins
	Connected                              // subscribed
	Lost                                   // the connection ended, or could not be made: Err
	Reconnecting                           // an attempt follows after Delay
	Resumed                                // subscribed again, or from a given cursor: Replayed, Missed, NewEpoch
	Refused                                // the server said no: Err; Final or not
	Draining                               // the server is shutting down: Err
	Closed                                 // the client was closed, or unsubscribed
)

var kindNames = [...]string{"", "connecting", "connected", "lost", "reconnecting", "resumed", "refused", "draining", "closed"}

// String returns the kind in a word.
func (k ConnectionKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("ConnectionKind(%d)", uint8(k))
}

// ConnectionStatus is a change of the connection. Fields that do not apply to
// its Kind are zero.
type ConnectionStatus struct {
	Kind     ConnectionKind
	Time     time.Time
	Server   string        // the address that New was given
	Epoch    uuid.UUID     // Connected, Resumed: the server's life
	Err      error         // Lost, Reconnecting, Refused, Draining: why
	Final    bool          // Refused: the client will not try again
	Attempt  int           // Reconnecting: 1 for the first since the loss
	Delay    time.Duration // Reconnecting: until the attempt
	NewEpoch bool          // Resumed: the server is not the one that the cursor was of
	Replayed uint64        // Resumed: events in the cache from the cursor on, before the filter
	Missed   uint64        // Resumed: events between the cursor and the first of these
}

// String says it in a line.
func (s ConnectionStatus) String() string {
	switch s.Kind {
	case Lost, Draining:
		return fmt.Sprintf("%v: %v", s.Kind, s.Err)
	case Refused:
		if s.Final {
			return fmt.Sprintf("refused: %v", s.Err)
		}
		return fmt.Sprintf("refused for now: %v", s.Err)
	case Reconnecting:
		return fmt.Sprintf("reconnecting to %s in %v (attempt %d): %v", s.Server, s.Delay.Round(time.Millisecond), s.Attempt, s.Err)
	case Resumed:
		epoch := ""
		if s.NewEpoch {
			epoch = fmt.Sprintf(" on a new epoch %v: the server was restarted", s.Epoch)
		}
		return fmt.Sprintf("resumed%s: %d events replayed, %d missed", epoch, s.Replayed, s.Missed)
	}
	return fmt.Sprintf("%v %s", s.Kind, s.Server)
}

// report tells the OnConnection handler, in its turn.
func (c *Client) report(s ConnectionStatus) {
	s.Time, s.Server = time.Now(), c.addr
	c.statuses.push(s)
	c.opts.logger().Info("momclient: connection", "server", c.addr, "status", s.String())
}

// failed is the status of a connection that could not be made, or that the
// server refused.
func failed(err error) ConnectionStatus {
	switch e := asError(err); e.Code {
	case wire.Lost, wire.Timeout, wire.Stalled, wire.Closed:
		return ConnectionStatus{Kind: Lost, Err: err}
	default:
		return ConnectionStatus{Kind: Refused, Err: err, Final: e.Final()}
	}
}
