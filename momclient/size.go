package momclient

import "mom.internal/wire"

// What an event takes in memory beyond the bytes of its texts.
const (
	eventBytes = 1 << 10 // the event in a slice that grows, its package, and memory that its texts share with others
	runBytes   = 256     // a run's InitializeData
	entryBytes = 64      // a log entry
)

// eventSize adds up about how many bytes of memory events take that somebody
// keeps. Events of one run share what Initialize points to, which counts again
// only if the event before it was of another run.
type eventSize struct {
	bytes int
	run   *wire.InitializeData // of the latest event
}

// add adds an event and returns the sum.
func (s *eventSize) add(ev *wire.Event) int {
	s.bytes += eventBytes
	if run := ev.Data.Initialize; run != nil && run != s.run {
		s.run = run
		s.bytes += runBytes + len(run.Name) + len(run.SourcePath) + len(run.DestinationPath) + len(run.DestinationRoot)
	}
	if h := ev.Data.Header; h != nil {
		s.bytes += len(h.TargetFilePath)
	}
	if b := ev.Data.Body; b != nil {
		s.bytes += len(b.Item)
	}
	for i := range ev.Data.Status.Log {
		entry := &ev.Data.Status.Log[i]
		s.bytes += entryBytes + len(entry.Item) + len(entry.Message)
	}
	return s.bytes
}
