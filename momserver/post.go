package momserver

import (
	"time"

	"mom.internal/wire/protocol"
)

// post.go holds what other goroutines ask the sender to do.

// request is what the sender is to do about one subscriber. A subscriber has
// one request at most, however many calls its client makes before the sender
// runs it.
type request struct {
	queued  bool // the subscriber is in posted
	join    bool
	credit  protocol.Credit
	revoked *revocation
	drop    bool
	reason  Reason // with drop
	detail  string
}

// post changes the request about sub, and makes the sender run it. It does not
// wait. After the end of the sender, no request is run.
func (s *sender) post(sub *subscriber, change func(*request)) {
	s.mu.Lock()
	change(&sub.request)
	if !sub.request.queued {
		sub.request.queued = true
		s.posted = append(s.posted, sub)
	}
	s.mu.Unlock()
	s.wake()
}

// postJoin adds a subscriber.
func (s *sender) postJoin(sub *subscriber) {
	s.post(sub, func(r *request) { r.join = true })
}

// postDrop drops a subscriber whose connection has ended or that unsubscribed.
// Of several reasons, the first counts.
func (s *sender) postDrop(sub *subscriber, why Reason, detail string) {
	s.post(sub, func(r *request) {
		if !r.drop {
			r.drop, r.reason, r.detail = true, why, detail
		}
	})
}

// postCredit gives a subscriber credit.
func (s *sender) postCredit(sub *subscriber, credit protocol.Credit) {
	s.post(sub, func(r *request) { r.credit = r.credit.Max(credit) })
}

// postDrain makes the sender drain: from then on, each subscriber gets a
// goodbye as soon as it has everything, or has made no progress for
// CallTimeout.
func (s *sender) postDrain() {
	s.mu.Lock()
	s.drainPosted = true
	s.mu.Unlock()
	s.wake()
}

// runPosted runs the oldest posted requests, at most maxAtOnce of them. It wakes
// the sender if more are left.
func (s *sender) runPosted() {
	s.mu.Lock()
	n := min(len(s.posted), maxAtOnce)
	posted := s.posted[:n]
	for _, sub := range posted {
		sub.request.queued = false
	}
	if s.posted = s.posted[n:]; len(s.posted) == 0 {
		s.posted = nil
	}
	more, drain := s.posted != nil, s.drainPosted
	s.mu.Unlock()
	for _, sub := range posted {
		s.runRequest(sub)
	}
	if more {
		s.wake()
	} else if drain && !s.draining {
		s.draining, s.drainEnds = true, time.Now().Add(maxDrain*s.cfg.CallTimeout)
		for sub := range s.subs {
			sub.lastProgress = time.Now()
		}
	}
}

// runRequest runs the request about a subscriber, if there is one.
func (s *sender) runRequest(sub *subscriber) {
	s.mu.Lock()
	r := sub.request
	sub.request = request{queued: r.queued}
	s.mu.Unlock()
	if r.join {
		s.subs[sub] = struct{}{}
		sub.lastCall = time.Now()
		sub.lastProgress = sub.lastCall
		sub.heartbeatEntry = s.heartbeats.PushBack(sub)
		s.interests.add(sub)
		s.trackSnapshot(sub, 0)
		s.enqueue(sub)
	}
	if r.credit != (protocol.Credit{}) {
		sub.credit = sub.credit.Max(r.credit)
		s.enqueue(sub)
	}
	if r.revoked != nil && sub.revoked == nil {
		sub.revoked = r.revoked
	}
	if sub.revoked != nil && (r.join || r.revoked != nil) {
		s.sayRevoked(sub)
	}
	if r.drop {
		s.drop(sub, r.reason, r.detail)
	}
}
