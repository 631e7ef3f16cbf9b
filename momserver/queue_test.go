package momserver

import (
	"math/rand/v2"
	"testing"
)

// TestQueue compares a queue with a slice, and checks that it keeps nothing that
// was taken and does not grow beyond twice what it has held.
func TestQueue(t *testing.T) {
	var q queue
	var want []*subscriber
	most := 0
	for range 10_000 {
		if rand.IntN(2) == 0 || len(want) == 0 {
			sub := new(subscriber)
			q.push(sub)
			want = append(want, sub)
			most = max(most, len(want))
		} else {
			if q.pop() != want[0] {
				t.Fatal("another subscriber was pushed first")
			}
			want = want[1:]
		}
		if q.len() != len(want) {
			t.Fatalf("%d subscribers; want %d", q.len(), len(want))
		}
		kept := 0
		for _, sub := range q.subs[:cap(q.subs)] {
			if sub != nil {
				kept++
			}
		}
		if kept != len(want) || cap(q.subs) > 4*most+8 {
			t.Fatalf("it keeps %d of %d, and has room for %d after %d", kept, len(want), cap(q.subs), most)
		}
	}
}
