package wire

// From is where a subscription begins. The numbers cross the wire.
type From uint8

// The places where a subscription may begin.
const (
	FromNow    From = 0 // a snapshot of the unfinished runs, then the events that follow
	FromOldest From = 1 // a snapshot of the runs that were unfinished before the oldest cached event, then all cached events
	FromCursor From = 2 // just after a cursor; events that have left the cache since are missed
)

// MaxNameBytes bounds the name of a subscriber.
const MaxNameBytes = 128

// MaxTokenBytes bounds the token with which a client proves that it may connect.
const MaxTokenBytes = 1024
