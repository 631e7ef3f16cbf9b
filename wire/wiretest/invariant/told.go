package invariant

import "mom.internal/wire"

// Told counts what a part of a stream delivered.
type Told struct {
	Fresh     int    // events that are not of a snapshot
	Snapshots int    // events of snapshots
	Gaps      int    // that were announced
	Missed    uint64 // events in the gaps
	Last      uint64 // Seq of the last fresh event of the whole stream
}

func (t *Told) event(e wire.Event) {
	if e.Missed > 0 {
		t.Gaps++
		t.Missed += e.Missed
	}
	if e.Snapshot {
		t.Snapshots++
		return
	}
	t.Fresh++
	t.Last = e.Seq
}

// Told returns what the stream delivered since the last call of Told.
func (s *Stream) Told() Told {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.told
	s.told = Told{Last: t.Last}
	return t
}
