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
type callBudget struct{ bucket }

func newCallBudget(heartbeat time.Duration) callBudget {
	return callBudget{bucket{each: heartbeat / budgetPerHeartbeat, most: budgetAtOnce}}
}

// count counts a call, and reports whether it exceeds the budget.
func (b *callBudget) count(broughtEvents bool) (over bool) {
	if broughtEvents {
		b.spent = max(0, b.spent-b.each)
		return false
	}
	return !b.take()
}

// bucket lets something happen most times at once, and then once in each. What is
// not used is not saved up.
type bucket struct {
	each  time.Duration
	most  int
	spent time.Duration // the time in which everything comes back, when last was now
	last  time.Time
}

// take reports whether it may happen now, and counts it if so.
func (b *bucket) take() bool {
	now := time.Now()
	b.spent = max(0, b.spent-now.Sub(b.last))
	b.last = now
	if b.spent > time.Duration(b.most-1)*b.each {
		return false
	}
	b.spent += b.each
	return true
}
