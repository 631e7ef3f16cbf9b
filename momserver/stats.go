package momserver

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"mom.internal/wire/protocol"

	"github.com/google/uuid"

	"mom.internal/wire"
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

// Stats holds a server's figures.
type Stats struct {
	Epoch       uuid.UUID
	Since       time.Time          // when New made the server
	Published   uint64             // events so far; the newest one's Seq
	Publishing  Histogram          // how long Publish took, where it published
	Cached      int                // events in the cache
	CachedBytes int                // of their encodings
	CacheAge    time.Duration      // since the oldest cached event was published; 0 without one
	Runs        int                // unfinished
	Jobs        map[wire.State]int // jobs that Jobs returns, by the state of their latest event; all nine states
	JobsFaulty  int                // of those completed, with errors
	Connections int                // clients' connections, subscribed or not
	Subscribers int                // subscribed now
	MaxLag      uint64             // events that the slowest of them has not been sent
	Calls       uint64             // made to subscribers, heartbeats too
	Delivered   uint64             // events sent, over all subscribers
	Gaps        uint64             // announced, over all subscribers
	Missed      uint64             // events in these gaps
	Drops       map[Reason]uint64  // ended subscriptions
	Dropped     []Drop             // the latest of them, at most 64, oldest first
}

// Stats returns the server's figures. The figures of events, runs and jobs are
// all of one instant; the others may be of a moment before or after.
func (s *Server) Stats() Stats {
	st := Stats{
		Epoch: s.hist.Epoch(), Since: s.since, Publishing: s.latency.report(),
		Calls: s.counts.calls.Load(), Delivered: s.counts.delivered.Load(), Gaps: s.counts.gaps.Load(), Missed: s.counts.missed.Load(),
	}
	st.Drops, st.Dropped = s.drops.report()
	f := s.hist.Figures()
	st.Published, st.Cached, st.CachedBytes, st.Runs, st.Jobs, st.JobsFaulty = f.Head, f.Events, f.Bytes, f.Runs, f.Jobs, f.WithErrors
	if st.Cached > 0 {
		st.CacheAge = time.Since(s.since) - f.Oldest
	}
	looked := s.sender.looked.Load()
	s.mu.Lock()
	st.Connections = len(s.conns)
	for sub, accepted := range s.subs {
		if accepted {
			st.Subscribers++
			st.MaxLag = max(st.MaxLag, sub.info(st.Published, looked).Lag)
		}
	}
	s.mu.Unlock()
	return st
}

// Reasons returns every way in which a subscription ends.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonEnd-1)
	for r := ReasonUnsubscribed; r < reasonEnd; r++ {
		all = append(all, r)
	}
	return all
}

// Subscribers returns the subscribers, in the order of their names and
// addresses.
func (s *Server) Subscribers() []SubscriberInfo {
	head, looked := s.hist.Head(), s.sender.looked.Load()
	s.mu.Lock()
	all := make([]SubscriberInfo, 0, len(s.subs))
	for sub, accepted := range s.subs {
		if accepted {
			all = append(all, sub.info(head, looked))
		}
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
	data, n, _ := s.hist.ReadJobs(uuid.Nil, nil, int(^uint(0)>>1), nil)
	events := make([]wire.Event, 0, n)
	err := protocol.NewEventDecoder(s.hist.Types()).Decode(data, n, func(ev *wire.Event) {
		ev.Epoch = s.hist.Epoch()
		events = append(events, *ev)
	})
	if err != nil {
		panic(err) // the cache holds what this process encoded
	}
	return events
}
