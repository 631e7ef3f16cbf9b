package momclient

import "testing"

// TestStatusesThatWait: if a handler does not return, only the newest statuses
// are kept for it, up to a bound, because it needs the present state and not
// the past.
func TestStatusesThatWait(t *testing.T) {
	const reported = maxStatuses + 45
	c := New("server", Options{})
	for n := range reported {
		c.report(ConnectionStatus{Kind: Reconnecting, Attempt: n})
	}
	for n := reported - maxStatuses; n < reported; n++ {
		if s, ok := c.statuses.pop(); !ok || s.Attempt != n {
			t.Fatalf("%v: the attempt is %d; want %d", ok, s.Attempt, n)
		}
	}
	if s, ok := c.statuses.pop(); ok {
		t.Errorf("one more waits: %v", s)
	}
}
