package screen

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// maxProblems bounds the lines of warnings and errors that are kept.
const maxProblems = 200

// problem is a warning or an error, with how often it was logged.
type problem struct {
	jobs.LogEntry // the last one
	server        int
	times         int
}

// problemKey is what repeated problems have in common.
type problemKey struct {
	server        int
	severity      wire.Severity
	job           uuid.UUID
	item, message string
}

// problems has the last warnings and errors of all servers. Repeated ones are folded.
type problems struct {
	byKey map[problemKey]*problem
	list  []*problem     // the newest first
	seen  map[int]uint64 // the number of the last entry of each server
}

func newProblems() *problems {
	return &problems{byKey: make(map[problemKey]*problem), seen: make(map[int]uint64)}
}

// add adds the entries of a server that are new. entries has the newest ones, the
// newest first; if they are not all, all returns the rest, too.
func (p *problems) add(server int, entries []jobs.LogEntry, all func() []jobs.LogEntry, now time.Time) {
	seen := p.seen[server]
	if n := len(entries); n == jobs.MaxProblems && entries[n-1].Number > seen+1 {
		entries = all()
	}
	for _, e := range slices.Backward(entries) {
		if e.Number <= seen {
			continue
		}
		p.seen[server] = e.Number
		if e.Time.After(now) { // the clock of the server is ahead
			e.Time = now
		}
		key := problemKey{server, e.Severity, e.JobID, e.Item, e.Message}
		known := p.byKey[key]
		if known == nil {
			known = &problem{server: server}
			p.byKey[key] = known
			p.list = append(p.list, known)
		}
		known.LogEntry, known.times = e, known.times+1
	}
	if p.seen[server] == seen {
		return
	}
	slices.SortFunc(p.list, func(a, b *problem) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Number, a.Number)) })
	for _, old := range p.list[min(len(p.list), maxProblems):] {
		delete(p.byKey, problemKey{old.server, old.Severity, old.JobID, old.Item, old.Message})
	}
	p.list = p.list[:min(len(p.list), maxProblems)]
}

// fold folds the entries of a log, the newest first.
func fold(entries []jobs.LogEntry) []*problem {
	byKey := make(map[problemKey]*problem, len(entries))
	var list []*problem
	for _, e := range entries {
		key := problemKey{0, e.Severity, e.JobID, e.Item, e.Message}
		known := byKey[key]
		if known == nil {
			known = &problem{LogEntry: e}
			byKey[key] = known
			list = append(list, known)
		}
		known.times++
	}
	return list
}
