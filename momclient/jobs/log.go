package jobs

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// LogEntry is an entry of the log. An entry without a job is about the stream:
// a gap, or a restart of the server.
type LogEntry struct {
	Number   uint64        `json:"number"` // 1 for the first entry
	Time     time.Time     `json:"time"`
	Severity wire.Severity `json:"severity"`
	JobID    uuid.UUID     `json:"jobID,omitzero"`
	RunID    uuid.UUID     `json:"runID,omitzero"`
	Job      string        `json:"job,omitempty"`     // name of the job
	DryRun   bool          `json:"dryRun,omitempty"`  // of the run
	Package  int           `json:"package,omitempty"` // number of the package that ended for this reason; 0 for other entries
	Item     string        `json:"item,omitempty"`
	Message  string        `json:"message"`
}

type logs struct {
	number uint64
	rings  [wire.SeverityError + 1]ring
}

type ring struct {
	entries []LogEntry
	next    int // the index of the next entry, once the ring is full
}

func (l *logs) add(e LogEntry) {
	l.number++
	e.Number = l.number
	r := &l.rings[min(max(e.Severity, wire.SeverityProcessing), wire.SeverityError)]
	if len(r.entries) < MaxLog {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.next] = e
	r.next = (r.next + 1) % MaxLog
}

// latest returns the last n entries for which want returns true, of at least
// the severity, the newest first. If n is 0 or less, it returns all.
func (l *logs) latest(n int, severity wire.Severity, want func(*LogEntry) bool) []LogEntry {
	found := []LogEntry{}
	for s := max(severity, wire.SeverityProcessing); s <= wire.SeverityError; s++ {
		r, of := &l.rings[s], 0
		for i := len(r.entries) - 1; i >= 0 && (n <= 0 || of < n); i-- {
			e := &r.entries[(r.next+i)%len(r.entries)]
			if want == nil || want(e) {
				found = append(found, *e)
				of++
			}
		}
	}
	slices.SortFunc(found, func(a, b LogEntry) int { return cmp.Compare(b.Number, a.Number) })
	if n > 0 && len(found) > n {
		found = slices.Clip(found[:n])
	}
	return found
}

// note adds the log of an event. For an error state without a log it adds an
// entry of its own. mu is held.
func (t *Tracker) note(r *run, e *wire.Event, at time.Time) {
	if !t.sel.Takes(e) {
		return
	}
	number := 0
	if e.Data.Header != nil {
		number = e.Data.Header.Number
	}
	add := func(entry wire.LogEntry, number int) {
		if entry.Severity < t.sel.Severity {
			return
		}
		when := sane(entry.Time)
		if when.IsZero() {
			when = at
		}
		t.log.add(r.entry(LogEntry{
			Time: when, Severity: entry.Severity, Package: number,
			Item: duplex.Clip(entry.Item, MaxText), Message: duplex.Clip(entry.Message, MaxText),
		}))
	}
	// An entry comes with the next event of its run, which may be of any package.
	// Only the reason for the end of a package is surely about that package.
	last := len(e.Data.Status.Log) - 1
	for i, entry := range e.Data.Status.Log {
		if i == last && e.Data.Status.State.IsError() {
			add(entry, number)
		} else {
			add(entry, 0)
		}
	}
	if len(e.Data.Status.Log) == 0 && e.Data.Status.State.IsError() {
		message := e.Data.Status.State.String()
		if e.Outcome() == wire.Cancelled {
			message = "the run was cancelled"
		}
		add(wire.LogEntry{Severity: e.Severity(), Message: message}, number)
	}
}

// entry returns e with the fields of the run.
func (r *run) entry(e LogEntry) LogEntry {
	e.JobID, e.RunID, e.Job, e.DryRun = r.job.id, r.id, r.name(), r.init.DryRun
	return e
}

func missedMessage(n uint64) string {
	if n == 1 {
		return "missed 1 event"
	}
	return fmt.Sprintf("missed %d events", n)
}
