package screen

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// resortTime is how often an order by value is made again while no key is pressed.
const resortTime = 10 * time.Second

// retired is the time without a run after which a job that only the history has is not
// on top, however it ended: the job may be there no more.
const retired = 7 * 24 * time.Hour

// list is all jobs in their order. The order changes only if a job comes, goes or
// changes its class, and if a user reads, only if a job fails.
type list struct {
	entries  map[place]*entry
	ranked   []*entry
	order    order
	unsorted bool
	urgent   bool        // the rows are sorted even while they are read
	sorted   time.Time   // when an order by value was last made
	turn     uint64      // counts the views of boards
	now      time.Time   // of the last news
	has      map[int]int // number of jobs that the board of a server had last
}

func newList() *list { return &list{entries: make(map[place]*entry), has: make(map[int]int)} }

// board adds what the board of a server has. name is that of the server for the
// filter, or "" if there is only one. log returns the errors of a job.
func (l *list) board(server int, name string, v *board.View, log func(uuid.UUID) []jobs.LogEntry) {
	l.turn++
	l.now = v.Now
	came := 0
	for i := range v.Jobs {
		j := &v.Jobs[i]
		e := l.entry(place{server, j.ID})
		if e.turn == 0 {
			came++
		}
		e.turn = l.turn
		first := e.job == nil
		if e.update(j, name, v.Now) {
			l.moved(e)
		}
		if first {
			e.value = l.order.valueOf(e)
		}
		e.explain(func() []jobs.LogEntry { return log(j.ID) })
	}
	if l.has[server]+came > len(v.Jobs) { // the board has forgotten some jobs
		l.forget(server)
	}
	l.has[server] = len(v.Jobs)
}

// history adds what the history has. servers has the index of each server by its
// name, and only selects the jobs.
func (l *list) history(views []runlog.View, servers map[string]int, only *wire.Filter, now time.Time) {
	for i := range views {
		v := &views[i]
		server, known := servers[v.Key.Server]
		at := place{server, v.Key.Job}
		if !known || l.entries[at] == nil && !only.Takes(&wire.Event{JobID: v.Key.Job, Data: wire.TransferData{Initialize: &wire.InitializeData{Name: v.Name}}}) {
			continue
		}
		filtered := ""
		if len(servers) > 1 {
			filtered = v.Key.Server
		}
		e := l.entry(at)
		e.first = v.Totals.First
		if e.remember(v.Summary, now) {
			l.moved(e)
		}
		if e.turn == 0 && (e.job == nil || e.job.Run.ID != v.Last.RunID) && e.update(pastJob(v), filtered, now) {
			l.moved(e)
		}
		if e.turn == 0 && e.class != classRest && now.Sub(v.Last.Ended) > retired {
			e.class, l.unsorted = classRest, true
		}
		e.explain(func() []jobs.LogEntry { return nil })
	}
}

func (l *list) entry(at place) *entry {
	e := l.entries[at]
	if e == nil {
		e = &entry{place: at}
		l.entries[at] = e
		l.ranked = append(l.ranked, e)
	}
	return e
}

// forget removes the jobs that the last view of the board of a server did not have.
func (l *list) forget(server int) {
	l.ranked = slices.DeleteFunc(l.ranked, func(e *entry) bool {
		gone := e.server == server && e.turn != l.turn && e.turn != 0
		if gone {
			delete(l.entries, e.place)
		}
		return gone
	})
}

// moved says that the place of a job in the order may be another one.
func (l *list) moved(e *entry) {
	l.unsorted = true
	l.urgent = l.urgent || e.class <= classErrors
}

// sort sorts the jobs if that is necessary. reading says that the user has just pressed
// a key, so that the rows stay, unless a job has failed or met an error.
func (l *list) sort(now time.Time, reading bool) {
	if l.order > byName && now.Sub(l.sorted) >= resortTime && !reading {
		l.by(l.order, now)
	}
	if l.unsorted && (l.urgent || !reading) {
		l.unsorted, l.urgent = false, false
		slices.SortFunc(l.ranked, l.order.compare)
	}
}

// by chooses an order, and makes it from the present values.
func (l *list) by(o order, now time.Time) {
	l.order, l.sorted, l.unsorted, l.urgent = o, now, true, true
	for _, e := range l.ranked {
		e.value = o.valueOf(e)
	}
}

// filtered returns the jobs that have all words of the filter.
func (l *list) filtered(filter string) []*entry {
	words := strings.Fields(strings.ToLower(filter))
	if len(words) == 0 {
		return l.ranked
	}
	var kept []*entry
	for _, e := range l.ranked {
		state := e.stateWord(false) + " " + stateWord(&e.job.Run, false) + " " + standingOf(&e.job.Run).word
		if e.stale(l.now) {
			state += " " + staleWord
		}
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(e.words, word) && !strings.Contains(state, word) }) {
			kept = append(kept, e)
		}
	}
	return kept
}

// hasAll reports whether each job that f names is in the list.
func (l *list) hasAll(f *wire.Filter) bool {
	known := make(map[string]bool)
	for _, e := range l.ranked {
		known[e.job.Name], known[e.place.job.String()] = true, true
	}
	missing := func(name string) bool { return !known[name] }
	return !slices.ContainsFunc(f.Names, missing) && !slices.ContainsFunc(f.Jobs, func(id uuid.UUID) bool { return missing(id.String()) })
}
