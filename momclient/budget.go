package momclient

import "time"

// The budget of calls that bring no event. At once it is several times the calls
// that a server leaves unanswered by default, because heartbeats may have been held
// up on the way. A server sends such a call with each heartbeat, when the
// subscription begins, at the end of a snapshot whose last events were filtered
// out, for a gap to a client without credit, and as a goodbye.
const (
	budgetAtOnce       = 256
	budgetPerHeartbeat = 4
)

// callBudget bounds the calls of one session that bring no event, whatever their
// method and arguments are: each takes one of budgetAtOnce; budgetPerHeartbeat come
// back in the time of a heartbeat, and one with each call that brings events.
type callBudget struct {
	heartbeat time.Duration
	spent     time.Duration // as the time in which it comes back
	last      time.Time     // when spent was right
}

// count counts a call, and reports whether it exceeds the budget.
func (b *callBudget) count(broughtEvents bool) (over bool) {
	each, now := b.heartbeat/budgetPerHeartbeat, time.Now()
	b.spent = max(0, b.spent-now.Sub(b.last))
	b.last = now
	if broughtEvents {
		b.spent = max(0, b.spent-each)
		return false
	}
	b.spent += each
	return b.spent > budgetAtOnce*each
}
