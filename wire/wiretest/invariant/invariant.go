// Package invariant checks what always holds for a MoM server and its clients,
// whatever networks and peers do. The tests of this module import it, and
// applications should not. Each checker has a name and checks one rule. A [Stream]
// passes the events that one client delivers to all of them.
//
// What was published, the checkers take from a [Ledger] that the test keeps, never
// from the server. Ledger and Stream are safe for concurrent use.
package invariant

import (
	"fmt"
	"testing"
)

// The names of the invariants, as reports give them.
const (
	Order     = "order"                           // events are delivered in the order of Seq
	NoRepeats = "no repeats"                      // no event is delivered twice
	Sum       = "delivered + missed = published"  // no event is lost silently
	Gaps      = "gaps exact, and announced first" // a gap is announced before the next event, with its exact count and a snapshot
	Published = "as published"                    // an event has the content that was published
	Outcomes  = "each run ends once, with one outcome"
	Ended     = "nothing of an ended epoch or session" // an older epoch or session delivers no event and moves no cursor
	NoWait    = "Publish takes no simulated time"
	NoStop    = "monitoring stops no mirroring"
	Healthy   = "healthy subscribers unaffected"
	Bounded   = "bounded, and released at the end" // memory, goroutines, descriptors
	Reasons   = "every drop has its reason"
	Liveness  = "every client recovers"
)

// Violation says which invariant did not hold, and how.
type Violation struct {
	Invariant string
	Detail    string
}

func (v Violation) Error() string { return fmt.Sprintf("invariant %q: %s", v.Invariant, v.Detail) }

// Report is called with each violation.
type Report func(Violation)

// Bound is the checker of Bounded: n is at most most, or most is 0, which means no
// bound.
func (r Report) Bound(what string, n, most int) {
	if most > 0 && n > most {
		r.violated(Bounded, "%d %s, of at most %d", n, what, most)
	}
}

// Drop is the checker of Reasons if the test does not know why the subscriber was
// dropped: there is a known reason, and a sentence.
func (r Report) Drop(who, reason string, known bool, detail string) {
	if !known || reason == "" || detail == "" {
		r.violated(Reasons, "%s was dropped for %q (%s)", who, reason, detail)
	}
}

// Fails returns a Report by which a violation fails the test.
func Fails(t testing.TB) Report {
	return func(v Violation) {
		t.Helper()
		t.Error(v)
	}
}

func (r Report) violated(invariant, format string, args ...any) {
	r(Violation{invariant, fmt.Sprintf(format, args...)})
}
