package protocol

import (
	"github.com/google/uuid"

	"mom.internal/wire"
)

// The services and their methods, as net/rpc names them.
const (
	ServerService   = "MoM"      // served by the server, on the client's connection
	CallbackService = "Callback" // served by the client, on the callback endpoint

	MethodSubscribe   = ServerService + ".Subscribe"
	MethodUnsubscribe = ServerService + ".Unsubscribe"
	MethodCredit      = ServerService + ".Credit"
	MethodPing        = ServerService + ".Ping"
	MethodHistory     = ServerService + ".History"
	MethodJobs        = ServerService + ".Jobs"

	MethodNotify  = CallbackService + ".Notify"
	MethodGoodbye = CallbackService + ".Goodbye"
)

// Nothing is an empty argument or reply. The field is never set.
type Nothing struct{ Unused bool }

// TicketSize is the length in bytes of a [SubscribeArgs.Ticket].
const TicketSize = 32

// SubscribeArgs asks for the stream of events. One subscription a connection.
type SubscribeArgs struct {
	Name   string // how the operator sees this subscriber; at most MaxNameBytes
	From   wire.From
	Cursor wire.Cursor // with FromCursor
	// Renew asks for a snapshot with FromCursor too: the one that belongs to
	// Cursor was cut off. Where the server no longer has that one, the
	// subscription goes on from now, and what is skipped counts as missed.
	Renew  bool
	Filter wire.Filter
	Credit Credit

	// CallbackAddr, if not empty, is where the server is to dial for its
	// calls, host:port. Ticket is then a secret of TicketSize bytes by which
	// the two ends of that connection know each other.
	CallbackAddr string
	Ticket       []byte
}

// Subscribed is the reply to Subscribe.
type Subscribed struct {
	Cursor   wire.Cursor // the stream begins after it; Seq 0 is the place before the first event
	Head     uint64      // the newest event's Seq; those up to it are replayed
	Missed   uint64      // events between the asked cursor and Cursor
	Snapshot uint32      // events of the snapshot
	// Window and WindowBytes are how many calls, and bytes of events in them,
	// the server leaves unanswered before it waits.
	Window      uint32
	WindowBytes uint32
}

// Batch is what Notify carries: events, in order, since the batch before.
type Batch struct {
	// Next is the Seq of the first event that is still to come. All before it
	// have been delivered, filtered out, or announced as missed.
	Next uint64
	// Missed counts the events that left the cache before the first event of
	// this batch.
	Missed uint64
	// Pending counts the events of a snapshot that are still to come, in later
	// batches. While there are any, Next is a cursor only with Renew.
	Pending uint32
	// Snapshot counts the events of this batch that are of a snapshot: none or
	// all.
	Snapshot uint32
	Count    uint32 // events in Events
	Types    []byte // gob type definitions, in a subscription's first batch
	Events   []byte // the events, as the encoder wrote them, one after another; last, see fields.go
}

// Credit is how much a client allows the server to send in one subscription,
// counted from its beginning, events of snapshots included. Both numbers only
// grow: of two credits, the larger numbers hold.
type Credit struct {
	Events uint64
	Bytes  uint64 // of Batch.Events; the event that uses up the last of them may go over
}

// Max returns the larger numbers of both credits.
func (c Credit) Max(other Credit) Credit {
	return Credit{max(c.Events, other.Events), max(c.Bytes, other.Bytes)}
}

// Ack is the reply to Notify.
type Ack struct {
	Events uint64 // the client's credit, as in Credit
	Bytes  uint64
	Held   bool // the reply was delayed on purpose, so its time is no round trip
}

// Credit returns the credit that an Ack gives.
func (a *Ack) Credit() Credit { return Credit{a.Events, a.Bytes} }

// HistoryArgs asks for cached events after Since, without subscribing. The
// zero Since is the oldest cached event.
type HistoryArgs struct {
	Since wire.Cursor
	Max   uint32 // at most this many; 0 for as many as fit a reply
}

// JobsArgs asks for the latest event of each job, in the order of their IDs.
type JobsArgs struct {
	After uuid.UUID // of jobs after this one; uuid.Nil for all
}

// Page is the reply to History and Jobs: some events, and whether there are
// more.
type Page struct {
	Epoch  uuid.UUID
	Next   uint64 // History: the Seq of the first event not covered
	Missed uint64 // History: events that left the cache before the first
	Count  uint32
	Types  []byte
	More   bool
	Events []byte // last, see fields.go
}

// Goodbye tells a subscriber that its connection will be closed, and why.
type Goodbye struct {
	Code        wire.Code
	Message     string
	AfterMillis uint32 // wait this long before connecting again
}
