package momclient

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCallBudget: the whole budget of calls without an event may come at once.
// Time and events then give calls back, to the nanosecond, up to the whole budget.
func TestCallBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCallBudget(time.Second)
		takes := func(n int) {
			t.Helper()
			for i := range n {
				if b.count(false) {
					t.Fatalf("call %d of %d is too many", i+1, n)
				}
			}
			if over := b; !over.count(false) {
				t.Fatal("one more is taken")
			}
		}
		takes(budgetAtOnce)
		time.Sleep(time.Second)
		takes(budgetPerHeartbeat)
		time.Sleep(10*time.Second - time.Nanosecond)
		takes(10*budgetPerHeartbeat - 1)
		time.Sleep(time.Nanosecond)
		takes(1)
		for range 3 {
			b.count(true)
		}
		takes(3)
		time.Sleep(time.Hour)
		for range 1000 {
			b.count(true)
		}
		takes(budgetAtOnce)
	})
}
