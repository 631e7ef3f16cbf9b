package momserver

import (
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// counts are what the sender counts for Stats.
type counts struct {
	calls     atomic.Uint64
	delivered atomic.Uint64
	gaps      atomic.Uint64
	missed    atomic.Uint64
}

// Stats holds a server's figures. Counts rise for the life of the server.
type Stats struct {
	Epoch       uuid.UUID               // as Server.Epoch
	Since       time.Time               // when New made the server
	Published   uint64                  // events; the Seq of the newest one
	Publishing  Histogram               // how long each successful Publish took
	Cached      int                     // events in the cache
	CachedBytes int                     // of these events, encoded, with the descriptions of their runs and packages
	CacheAge    time.Duration           // since the oldest cached event was published; 0 if none is cached
	Runs        int                     // that have not ended
	Jobs        map[wire.State]int      // how many jobs Server.Jobs returns, by the state of their latest event; an entry for each of the nine states
	JobsEnded   map[wire.Outcome]int    // how many of these jobs have a latest event that ended a run with the outcome; an entry for each of the four outcomes
	RunsEnded   map[wire.Outcome]uint64 // runs that ended with the outcome; an entry for each of the four outcomes
	Refused     uint64                  // runs, packages and changes that a Job did not publish, because of a bound or a mistake, and runs after a Shutdown
	Misuse      uint64                  // calls of a Job or a Package with arguments that made no sense, and were ignored
	Connections int                     // of clients, subscribed or not; callback connections that the server dialled are not counted
	Subscribers int                     // that are subscribed now
	MaxLag      uint64                  // the largest Lag of a subscriber
	Calls       uint64                  // to subscribers, heartbeats included
	Delivered   uint64                  // events sent, summed over all subscribers
	Gaps        uint64                  // announced, summed over all subscribers
	Missed      uint64                  // events in these gaps
	Drops       map[Reason]uint64       // ended subscriptions, by reason; no entry for a reason that has not occurred
	Dropped     []Drop                  // the latest 64 of them, oldest first
}

// Stats returns the server's figures. The figures of events, runs and jobs are
// of one instant; the others may be of a moment before or after it.
func (s *Server) Stats() Stats {
	if s == nil {
		return Stats{}
	}
	st := Stats{
		Epoch: s.hist.Epoch(), Since: s.since, Publishing: s.latency.report(),
		Calls: s.sender.counts.calls.Load(), Delivered: s.sender.counts.delivered.Load(), Gaps: s.sender.counts.gaps.Load(), Missed: s.sender.counts.missed.Load(),
	}
	st.Refused, st.Misuse = s.refused.Load(), s.misuses.total()
	f := s.hist.Figures()
	st.Published, st.Cached, st.CachedBytes, st.Runs, st.Jobs, st.JobsEnded, st.RunsEnded = f.Head, f.Events, f.Bytes, f.Runs, f.Jobs, f.JobsEnded, f.RunsEnded
	if st.Cached > 0 {
		st.CacheAge = time.Since(s.since) - f.Oldest
	}
	looked := s.sender.scannedNext.Load()
	s.mu.Lock()
	st.Connections = len(s.conns)
	for sub, accepted := range s.subs {
		if accepted {
			st.Subscribers++
			st.MaxLag = max(st.MaxLag, sub.info(st.Published, looked).Lag)
		}
	}
	s.mu.Unlock()
	st.Drops, st.Dropped = s.drops.report()
	return st
}

// JobStats holds the figures of one job since its first event. A job that is
// dropped to keep to Config.MaxJobs begins anew with its next event. Dry runs count
// only as Running. Times are those of this machine's clock.
type JobStats struct {
	JobID        uuid.UUID
	Name         string    // of the latest run; cut if it has more than 1 KiB
	Running      int       // runs that have not ended
	FirstChange  time.Time // when the first event was published
	LastChange   time.Time // when the latest event was published
	LastSuccess  time.Time // when the last run with the outcome Succeeded ended; zero for none
	LastEnd      time.Time // when the last run ended; zero for none
	LastDuration time.Duration
	LastOutcome  wire.Outcome            // of the last run that ended; zero for none
	RunsEnded    map[wire.Outcome]uint64 // an entry for each of the four outcomes
	Bytes        uint64                  // of the runs that ended, as are the numbers below: the sum of Progress.BytesDone
	Files        uint64                  // the sum of Progress.FilesDone
	Errors       uint64                  // the sum of Progress.Errors
}

// JobStats returns the figures of the jobs that [Server.Jobs] returns: of the n jobs
// with the newest events, the newest first. It also returns the number of the jobs
// that it leaves out. Publish waits while the figures are copied.
func (s *Server) JobStats(n int) (stats []JobStats, more int) {
	if s == nil {
		return nil, 0
	}
	figures, more := s.hist.Jobs(n)
	now := time.Now()
	ago := now.Sub(s.since)
	stats = make([]JobStats, len(figures))
	for i := range figures {
		f := &figures[i]
		stats[i] = JobStats{
			JobID: f.ID, Name: f.Name, Running: f.Running, FirstChange: now.Add(f.First - ago), LastChange: now.Add(f.Last - ago),
			LastSuccess: f.Success, LastEnd: f.End, LastDuration: f.Took, LastOutcome: f.Outcome, RunsEnded: make(map[wire.Outcome]uint64),
			Bytes: f.Bytes, Files: f.Files, Errors: f.Errors,
		}
		for _, o := range wire.Outcomes() {
			stats[i].RunsEnded[o] = f.Ended[o]
		}
	}
	return stats, more
}

// Jobs returns the latest event of each job, sorted by JobID: at most
// Config.MaxJobs events.
func (s *Server) Jobs() []wire.Event {
	if s == nil {
		return nil
	}
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
