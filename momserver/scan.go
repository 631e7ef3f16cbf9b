package momserver

import (
	"mom.internal/momserver/internal/history"
	"mom.internal/wire/protocol"
)

// scan.go spares the sender from visiting every subscriber for every event. A
// subscriber is caught up if it has read every event up to the scan that its
// filter selects. Its position then stays where it is until another event is
// published that the filter selects.

// scan looks at the events that have been published since the last scan, and
// activates the caught-up subscribers that take them. An event costs as much as
// the number of subscribers that it activates or that name its job.
func (s *sender) scan() {
	for s.hist.Scan(&s.scanned, s.activateTakers) { // events have left the cache before the scan came to them
		for sub := range s.subs {
			s.activate(sub)
		}
		s.hist.SkipGap(&s.scanned)
	}
	s.scannedNext.Store(s.scanned.Next)
}

// activateTakers activates the caught-up subscribers that take the event
// scanned.Next, and have not read it already.
func (s *sender) activateTakers(def *protocol.Definition, class history.Class) {
	s.interests.eachTaker(def, class, func(sub *subscriber) {
		if sub.at.Next <= s.scanned.Next {
			s.activate(sub)
		}
	})
}

// activate makes a subscriber one that is not caught up, and enqueues it.
func (s *sender) activate(sub *subscriber) {
	s.advance(sub)
	s.interests.setCaughtUp(sub, false)
	s.enqueue(sub)
}

// advance moves a caught-up subscriber's position to where the scan is, because
// the subscriber takes none of the events before.
func (s *sender) advance(sub *subscriber) {
	if sub.caughtUp {
		sub.at.Next = max(sub.at.Next, s.scanned.Next)
	}
}
