package momclient

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// ConnectionKind is what happened to the connection.
type ConnectionKind uint8

// The kinds, in their usual order.
const (
	Connecting   ConnectionKind = iota + 1 // an attempt begins
	Connected                              // the server has accepted the subscription
	Lost                                   // the connection ended, or could not be made
	Reconnecting                           // another attempt follows after Delay
	Resumed                                // the server has accepted the subscription again, or the first one at Options.Cursor
	Refused                                // the server refused the client
	Draining                               // the server is shutting down
	Closed                                 // the client has unsubscribed, or is closed
)

var kindNames = [...]string{"", "connecting", "connected", "lost", "reconnecting", "resumed", "refused", "draining", "closed"}

// String returns the kind as a word in lower case.
func (k ConnectionKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("ConnectionKind(%d)", uint8(k))
}

// ConnectionStatus is a change of the connection. Kind, Time and Server are always
// set, and each other field only with the kinds that its comment names.
type ConnectionStatus struct {
	Kind     ConnectionKind
	Time     time.Time
	Server   string        // the address that New was given
	Epoch    uuid.UUID     // Connected, Resumed: of the server
	Head     uint64        // Connected, Resumed: the Seq of the server's newest event at that time; once the client's cursor is there, all events that were cached then have come
	Err      error         // Lost, Reconnecting, Refused, Draining: why
	Final    bool          // Refused: the client does not try again, even with AutoReconnect
	Attempt  int           // Reconnecting: counted since a connection that lasted longer than Options.Period
	Delay    time.Duration // Reconnecting: the wait before the attempt
	NewEpoch bool          // Resumed: the server was restarted, or is another one
	Replayed uint64        // Resumed: cached events after the cursor, whether or not the filter selects them
	Missed   uint64        // Resumed: events after the cursor that have left the cache
}

// String returns the status in a line, for people.
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

// report queues a status for the OnConnection handler, and logs it.
func (c *Client) report(s ConnectionStatus) {
	s.Time, s.Server = time.Now(), c.addr
	c.statuses.push(s)
	c.statusLines.write(c.opts.Logger, slog.LevelInfo, "momclient: connection", "server", c.addr, "status", duplex.Clip(s.String(), maxLine))
}

// failure returns the status of an attempt that failed with err: the connection
// could not be made, or the server refused the client.
func failure(err error) ConnectionStatus {
	switch e := asError(err); e.Code {
	case wire.Lost, wire.Timeout, wire.Stalled, wire.Closed:
		return ConnectionStatus{Kind: Lost, Err: err}
	default:
		return ConnectionStatus{Kind: Refused, Err: err, Final: e.Final()}
	}
}

// statuses is the queue of the statuses for the OnConnection handler.
type statuses struct {
	bell bell // closed after the last status

	mu   sync.Mutex // guards wait
	wait []ConnectionStatus
}

// maxLine bounds the text of a status in the log, in bytes.
const maxLine = 1024

// maxStatuses bounds the statuses that wait for a handler that does not return.
// The oldest are discarded.
const maxStatuses = 64

func (q *statuses) push(s ConnectionStatus) {
	q.mu.Lock()
	if len(q.wait) == maxStatuses {
		q.wait = q.wait[1:]
	}
	q.wait = append(q.wait, s)
	q.mu.Unlock()
	q.bell.ring()
}

func (q *statuses) pop() (ConnectionStatus, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wait) == 0 {
		return ConnectionStatus{}, false
	}
	s := q.wait[0]
	q.wait = q.wait[1:]
	return s, true
}
