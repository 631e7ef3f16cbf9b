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
	MethodRoom        = ServerService + ".Room"
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
	Room   uint32 // how many events the client has room for

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

// Ack is the reply to Notify.
type Ack struct {
	Next uint64 // not used
	Room uint32 // how many more events the client has room for
	Held bool   // the reply was delayed on purpose, so its time is no round trip
}

// RoomArgs tells the server of room made since the last Ack.
type RoomArgs struct {
	Received uint64 // events got in this subscription so far, snapshots too
	Room     uint32
}

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
