package invariant

import "mom.internal/wire"

// Told is what a part of a stream came to.
type Told struct {
	Fresh     int    // events that are no snapshot
	Snapshots int    // events that are
	Gaps      int    // announced
	Missed    uint64 // events in these
	Last      uint64 // Seq of the latest fresh event
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

// Told returns what the stream came to since Told was last called; Last is of
// all of it.
func (s *Stream) Told() Told {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.told
	s.told = Told{Last: t.Last}
	return t
}
