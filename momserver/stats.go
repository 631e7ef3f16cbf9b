package momserver

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"mom/wire"
)

// counts are what the sender counts for Stats.
type counts struct {
	calls     atomic.Uint64
	delivered atomic.Uint64
	gaps      atomic.Uint64
	missed    atomic.Uint64
}

func (s *Server) countCall(events uint32) {
	s.counts.calls.Add(1)
	s.counts.delivered.Add(uint64(events))
}

func (s *Server) countGap(missed uint64) {
	s.counts.gaps.Add(1)
	s.counts.missed.Add(missed)
}

// Stats is a server's figures at one time.
type Stats struct {
	Epoch       uuid.UUID
	Published   uint64            // events so far; the newest one's Seq
	Cached      int               // events in the cache
	CachedBytes int               // of their encodings
	Runs        int               // unfinished
	Connections int               // clients' connections, subscribed or not
	Subscribers int               //
	Calls       uint64            // made to subscribers, heartbeats too
	Delivered   uint64            // events sent, over all subscribers
	Gaps        uint64            // announced, over all subscribers
	Missed      uint64            // events in these gaps
	Drops       map[Reason]uint64 // ended subscriptions
	Dropped     []Drop            // the latest of them, at most 64, oldest first
}

// Stats returns the server's figures.
func (s *Server) Stats() Stats {
	st := Stats{
		Epoch: s.hist.epoch,
		Calls: s.counts.calls.Load(), Delivered: s.counts.delivered.Load(), Gaps: s.counts.gaps.Load(), Missed: s.counts.missed.Load(),
	}
	st.Drops, st.Dropped = s.drops.report()
	s.hist.mu.Lock()
	st.Published, st.Cached, st.CachedBytes, st.Runs = s.hist.cache.head, s.hist.cache.len(), s.hist.cache.bytes, s.hist.runs.unfinished
	s.hist.mu.Unlock()
	s.mu.Lock()
	st.Connections, st.Subscribers = len(s.conns), len(s.subs)
	s.mu.Unlock()
	return st
}

// Subscribers returns the subscribers, in the order of their names and
// addresses.
func (s *Server) Subscribers() []SubscriberInfo {
	head := s.hist.headSeq()
	s.mu.Lock()
	all := make([]SubscriberInfo, 0, len(s.subs))
	for sub := range s.subs {
		all = append(all, sub.info(head))
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b SubscriberInfo) int {
		return strings.Compare(a.Name+"\x00"+a.Addr, b.Name+"\x00"+b.Addr)
	})
	return all
}

// Jobs returns the latest event of each job, in the order of their IDs: at
// most Config.MaxJobs.
func (s *Server) Jobs() []wire.Event {
	data, n, _ := s.hist.readJobs(uuid.Nil, int(^uint(0)>>1), nil)
	events := make([]wire.Event, 0, n)
	err := wire.NewEventDecoder(s.hist.types).Decode(data, n, func(ev *wire.Event) {
		ev.Epoch = s.hist.epoch
		events = append(events, *ev)
	})
	if err != nil {
		panic(err) // the cache holds what this process encoded
	}
	return events
}
