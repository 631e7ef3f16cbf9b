package momserver

import (
	"fmt"
	"sync"
	"time"

	"mom.internal/wire"
)

// Reason says why a subscriber is gone.
type Reason uint8

// Every way in which a subscription ends.
const (
	ReasonUnsubscribed   Reason = iota + 1 // it said so
	ReasonConnectionLost                   // its connection, or its callback connection, ended
	ReasonCallTimeout                      // a call was unanswered after Config.CallTimeout
	ReasonWriteTimeout                     // its connection took no bytes for Config.CallTimeout
	ReasonProtocol                         // it broke the protocol
	ReasonShutdown                         // the server shut down
	ReasonStalled                          // a message from it was not whole after Config.MessageTimeout
	reasonEnd
)

var reasons = [...]string{"", "unsubscribed", "connection lost", "call timeout", "write timeout", "protocol error", "shutdown", "message stalled"}

// String returns the reason in words: "" for zero, and Reason(n) for a number
// that is no reason.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// MarshalText gives the String.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// reasonFor returns the reason and the detail of a drop for the error that ended
// a subscriber's connection. The detail names the setting that was exceeded.
func reasonFor(err *wire.Error) (Reason, string) {
	switch err.Code {
	case wire.Timeout:
		return ReasonWriteTimeout, err.Message + " (Config.CallTimeout)"
	case wire.Stalled:
		return ReasonStalled, err.Message + " (Config.MessageTimeout)"
	case wire.TooLarge:
		return ReasonProtocol, err.Message + " (Config.MaxMessage)"
	case wire.ProtocolError, wire.NotMoM, wire.Full:
		return ReasonProtocol, err.Message
	case wire.Draining, wire.Closed:
		return ReasonShutdown, err.Message
	}
	return ReasonConnectionLost, err.Message
}

// Drop is the end of one subscription.
type Drop struct {
	Time   time.Time
	Name   string
	Addr   string
	Reason Reason
	Detail string // what happened, in a sentence
	Lag    uint64 // events that it had not been sent
}

// maxDrops is how many of the latest drops are kept.
const maxDrops = 64

// drops remembers how subscriptions ended.
type drops struct {
	mu     sync.Mutex // guards the fields below
	counts [reasonEnd]uint64
	recent []Drop // oldest first
}

func (d *drops) add(drop Drop) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[drop.Reason]++
	if len(d.recent) == maxDrops {
		copy(d.recent, d.recent[1:])
		d.recent = d.recent[:maxDrops-1]
	}
	d.recent = append(d.recent, drop)
}

// report returns the counts by reason, those above zero, and the recent drops.
func (d *drops) report() (map[Reason]uint64, []Drop) {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := make(map[Reason]uint64)
	for r, n := range d.counts {
		if n > 0 {
			counts[Reason(r)] = n
		}
	}
	return counts, append([]Drop(nil), d.recent...)
}
