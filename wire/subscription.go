package wire

// From says where a subscription begins. The numbers are the wire's.
type From uint8

// Where a subscription may begin.
const (
	FromNow    From = 0 // a snapshot of the unfinished runs, then what comes
	FromOldest From = 1 // the oldest cached event
	FromCursor From = 2 // just after the cursor; what left the cache since is a gap
)

// MaxNameBytes bounds a subscriber's name.
const MaxNameBytes = 128

// MaxTokenBytes bounds the token by which a client is let in.
const MaxTokenBytes = 1024
