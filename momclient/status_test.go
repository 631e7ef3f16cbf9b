package momclient

import "testing"

// TestStatusesThatWait are as many as may wait for a handler that does not
// return, the newest: it finds out how things are now, not how they were.
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
