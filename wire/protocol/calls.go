package protocol

import (
	"github.com/google/uuid"

	"mom.internal/wire"
)

// The services and their methods, as net/rpc names them.
const (
	ServerService   = "MoM"      // the server serves it, on the client's connection
	CallbackService = "Callback" // the client serves it, on the callback endpoint

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

// SubscribeArgs asks for the stream of events. A connection has at most one
// subscription.
type SubscribeArgs struct {
	Name   string // the operator sees the subscriber by it; at most wire.MaxNameBytes
	From   wire.From
	Cursor wire.Cursor // used with wire.FromCursor
	// Renew asks for a snapshot with wire.FromCursor, because only a part of the
	// snapshot that belongs to Cursor was received. If the server no longer has
	// that snapshot, the subscription continues from now, and the events that are
	// skipped count as missed.
	Renew  bool
	Filter wire.Filter
	Credit Credit
	// Definitions are those that the client keeps.
	Definitions DefinitionBounds

	// CallbackAddr, if not empty, is the address, host:port, that the server
	// dials for its calls. Ticket is then a secret of TicketSize bytes, by which
	// the two ends of that connection identify each other.
	CallbackAddr string
	Ticket       []byte
}

// Subscribed is the reply to Subscribe.
type Subscribed struct {
	Cursor   wire.Cursor // the stream begins after it; with Seq 0, at the first event
	Head     uint64      // Seq of the newest event; events up to it are replayed
	Missed   uint64      // events between SubscribeArgs.Cursor and Cursor
	Snapshot uint32      // events of the snapshot
	// The server waits while Window calls, or calls with WindowBytes bytes of
	// events, are unanswered.
	Window      uint32
	WindowBytes uint32
}

// Batch is the argument of Notify: the next events, in order.
type Batch struct {
	// Next is the Seq of the first event that is still to come. The events before
	// it have been delivered, filtered out, or announced as missed.
	Next uint64
	// Missed counts the events that left the cache before the first event of
	// this batch.
	Missed uint64
	// Pending counts the events of a snapshot that later batches will hold. If it
	// is not 0, a client that resumes from Next must set SubscribeArgs.Renew.
	Pending uint32
	// Snapshot counts the events of this batch that belong to a snapshot: all or
	// none.
	Snapshot uint32
	Count    uint32 // events in Events
	Types    []byte // gob type definitions, in a subscription's first batch
	Events   []byte // the encoded events; the last field, so that it is not copied
}

// Credit is how much a client allows the server to send in a subscription, counted
// from its beginning and with the events of snapshots. Both numbers only grow: of
// two credits, the larger numbers hold.
type Credit struct {
	Events uint64
	Bytes  uint64 // of Batch.Events; the event that uses up the credit may exceed it
}

// Max returns the larger numbers of the two credits.
func (c Credit) Max(other Credit) Credit {
	return Credit{max(c.Events, other.Events), max(c.Bytes, other.Bytes)}
}

// Ack is the reply to Notify.
type Ack struct {
	Events uint64 // as in Credit
	Bytes  uint64
	Held   bool // the reply was delayed on purpose, so its time is not a round trip
}

// Credit returns the credit in an Ack.
func (a *Ack) Credit() Credit { return Credit{a.Events, a.Bytes} }

// HistoryArgs asks for cached events without a subscription: those after Since, or
// all of them if Since is zero.
type HistoryArgs struct {
	Since wire.Cursor
	Max   uint32 // bounds the number of events; 0 for as many as fit in a reply
}

// JobsArgs asks for the latest event of each job, in the order of the job IDs.
type JobsArgs struct {
	After uuid.UUID // only the jobs after this one; uuid.Nil for all
}

// Page is the reply to History and Jobs.
type Page struct {
	Epoch  uuid.UUID
	Next   uint64 // for History: the Seq of the first event that is not covered
	Missed uint64 // for History: events that left the cache before the first event
	Count  uint32 // events in Events
	Types  []byte // gob type definitions
	More   bool   // there are more events
	Events []byte // as in Batch
}

// Goodbye tells a subscriber why its connection will be closed.
type Goodbye struct {
	Code        wire.Code
	Message     string
	AfterMillis uint32 // wait at least this long before connecting again
}
