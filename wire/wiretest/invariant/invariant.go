// Package invariant checks what is always true of a MoM server and its
// clients, whatever networks and peers do. Each checker has a name and looks at
// one rule; a [Stream] puts one client's stream of events to all of them.
//
// The checkers know what was published from a [Ledger] that the test keeps,
// never from the server. They may be used from several goroutines, where their
// comments do not say otherwise.
//
// It supports the tests of this module only. Nothing in it is promised.
package invariant

import (
	"fmt"
	"testing"
)

// The names of the invariants, as they stand in reports.
const (
	Order     = "order"                             // events come in the order of Seq
	NoRepeats = "no repeats"                        // none comes twice
	Sum       = "delivered and missed is published" // nothing is lost silently
	Gaps      = "gaps exact and first"              // a gap is announced before what follows it, with its count and its snapshot
	Published = "as published"                      // an event says what was published
	Ended     = "ended epochs and sessions"         // an older epoch or session delivers nothing and moves no cursor
	NoWait    = "Publish takes no time"
	Healthy   = "healthy subscribers unaffected"
	Bounded   = "bounded, and back at the start" // memory, goroutines, descriptors
	Reasons   = "every drop has its reason"
	Liveness  = "all get on again"
)

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string
	Detail    string
}

func (v Violation) Error() string { return fmt.Sprintf("invariant %q: %s", v.Invariant, v.Detail) }

// Report takes violations.
type Report func(Violation)

// Bound is the checker of Bounded: of something there are no more than most, 0
// for what has no bound.
func (r Report) Bound(what string, n, most int) {
	if most > 0 && n > most {
		r.violated(Bounded, "%d %s, of at most %d", n, what, most)
	}
}

// Drop is the checker of Reasons, where nothing is known of what happened to
// the subscriber: there is a reason, of those that there are, and a sentence.
func (r Report) Drop(who, reason string, known bool, detail string) {
	if !known || reason == "" || detail == "" {
		r.violated(Reasons, "%s was dropped for %q (%s)", who, reason, detail)
	}
}

// Fails returns a Report that fails the test.
func Fails(t testing.TB) Report {
	return func(v Violation) {
		t.Helper()
		t.Error(v)
	}
}

func (r Report) violated(invariant, format string, args ...any) {
	r(Violation{invariant, fmt.Sprintf(format, args...)})
}
