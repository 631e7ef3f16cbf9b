package momserver

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"mom.internal/wire"
)

// Reason is why a subscription ended.
type Reason uint8

// The reasons why a subscription ends.
const (
	ReasonUnsubscribed   Reason = iota + 1 // the client unsubscribed
	ReasonConnectionLost                   // its connection, or its callback connection, ended
	ReasonCallTimeout                      // a call was unanswered for Config.CallTimeout
	ReasonWriteTimeout                     // its connection accepted no bytes for Config.CallTimeout
	ReasonProtocol                         // the client broke the protocol
	ReasonShutdown                         // the server shut down or closed
	ReasonStalled                          // a message from the client was not whole after Config.MessageTimeout
	ReasonDisconnected                     // Server.Disconnect
	ReasonExpired                          // Grant.Expires
	reasonEnd
)

var reasonTexts = [...]string{"", "unsubscribed", "connection lost", "call timeout", "write timeout", "protocol error", "shutdown", "message stalled", "disconnected", "grant expired"}

// String returns the reason in words: "" for zero, and Reason(n) for a number
// that is no reason.
func (r Reason) String() string {
	if int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// MarshalText returns what String returns.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Reasons returns every Reason, for programs that make a metric of each entry
// of Stats.Drops.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonEnd-1)
	for r := ReasonUnsubscribed; r < reasonEnd; r++ {
		all = append(all, r)
	}
	return all
}

// reasonFor returns the reason and the detail of a drop for the error that
// ended a subscriber's connection. The detail names the setting that was
// exceeded.
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
	case wire.Disconnected:
		return ReasonDisconnected, err.Message
	case wire.Expired:
		return ReasonExpired, err.Message
	}
	return ReasonConnectionLost, err.Message
}

// Drop is the end of one subscription.
type Drop struct {
	Time   time.Time
	Name   string // as in SubscriberInfo
	Addr   string // as in SubscriberInfo
	Reason Reason
	Detail string // what happened, in a sentence
	Lag    uint64 // SubscriberInfo.Lag when the subscription ended
}

// maxDrops is how many of the latest drops are kept.
const maxDrops = 64

// drops keeps how subscriptions ended.
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
		d.recent = slices.Delete(d.recent, 0, 1)
	}
	d.recent = append(d.recent, drop)
}

// report returns the numbers above zero by reason, and the latest drops.
func (d *drops) report() (map[Reason]uint64, []Drop) {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := make(map[Reason]uint64)
	for r, n := range d.counts {
		if n > 0 {
			counts[Reason(r)] = n
		}
	}
	return counts, slices.Clone(d.recent)
}
