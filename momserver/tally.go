package momserver

import "mom.internal/wire"

// tally counts jobs by what their latest event says. The history guards it.
type tally struct {
	states [1 << 8]int // by wire.State: no number that it can have is out of range
	faulty int         // of those completed, with errors
}

// add counts a job with the latest event e in; with n -1, out.
func (t *tally) add(e *entry, n int) {
	t.states[e.state] += n
	if e.faulty {
		t.faulty += n
	}
}

// report returns the counts of the nine states.
func (t *tally) report() map[wire.State]int {
	counts := make(map[wire.State]int)
	for _, s := range wire.States() {
		counts[s] = t.states[s]
	}
	return counts
}
