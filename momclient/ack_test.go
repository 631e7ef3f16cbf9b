package momclient

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestBeats: late ones may come at once; what no server sends in that time is
// too many, exactly.
func TestBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := emptyBatches{began: time.Now(), heartbeat: time.Second}
		takes := func(n int) {
			t.Helper()
			for i := range n {
				if b.tooMany() {
					t.Fatalf("beat %d of %d is too many", i+1, n)
				}
			}
		}
		takes(emptyAllowed)
		time.Sleep(time.Second)
		takes(emptyPerHeartbeat)
		time.Sleep(10*time.Second - time.Nanosecond)
		takes(9 * emptyPerHeartbeat)
		if !b.tooMany() {
			t.Error("one more is taken")
		}
		time.Sleep(time.Nanosecond)
		takes(emptyPerHeartbeat - 1) // the refused one counts
		if !b.tooMany() {
			t.Error("one more is taken")
		}
	})
}
