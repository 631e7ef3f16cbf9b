// Package board keeps what the monitor shows: it folds a server's events and
// the statuses of the connection into jobs, runs, packages and a log, all
// bounded, of which a consistent view may be taken at any time.
//
// # What is true
//
// An event speaks for itself, so a run is where its last event says. A run
// whose end cannot come any more is lost: its server was restarted, or after a
// gap the snapshot did not name it. An event of it that does come takes that
// back.
//
// # Bounds
//
// A board may stand for months in front of a server that it does not control,
// so everything has a bound: see the constants. What goes is the oldest. Texts
// are cut, and times that no calendar has are left out.
//
// # Times
//
// Times of events are by the mirroring server's clock, in UTC; rates are over
// these, so that a replay of old events gives the rates of then. Where a time
// is compared with this machine's (Started, LastChange, Ended of a run), one
// that lies ahead counts as now. The connection's times are this machine's.
package board

import (
	"cmp"
	"container/list"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// The bounds of a board.
const (
	MaxJobs        = 1000   // as many as one can look through; ended ones go first
	MaxRuns        = 20     // of a job: about what its page lists
	MaxPackages    = 500    // of a run: about what a timeline can draw
	MaxAllPackages = 20_000 // of all runs, some 10 MB
	MaxLog         = 1000   // of each severity, so that notes do not push out errors
	MaxInFlight    = 20     // packages of a run in a View
	MaxProblems    = 50     // in a View: more than a screen
	MaxSamples     = 120    // of a run's throughput: when there are more, two become one
	MaxText        = 256    // bytes of a name, path, item or message, as the server's own bound
)

// settleAfter is how long after a gap a run may be missing from the snapshot
// before it counts as lost, where no other event says that the snapshot is over.
const settleAfter = 3 * time.Second

// Options sets up a board. The zero value works.
type Options struct {
	// Server is what Connection.Server is before the first status.
	Server string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log says whose entries the log takes: its States and Severity, the
	// latter for each entry alone. The jobs show every event whatever it says.
	Log wire.Filter
}

// Board is the model. Its methods may be called from several goroutines: one
// mutex guards all of it, and nothing under it waits.
type Board struct {
	now func() time.Time
	sel wire.Filter

	mu       sync.Mutex // guards all below
	version  uint64
	conn     Connection
	previous uuid.UUID // the epoch before conn.Epoch
	jobs     map[uuid.UUID]*job
	runs     map[uuid.UUID]*run
	running  map[*run]struct{}
	doubted  map[*run]struct{} // of running: a gap may have swallowed their end
	doubtAt  time.Time         // when the latest of these was
	orders   uint64            // runs begun or ended, to sort by
	packages *list.List        // *pack, of all runs, the oldest first
	log      logs
	forgot   int // jobs
}

// New returns an empty board.
func New(opts Options) *Board {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Board{
		now: opts.Now, sel: opts.Log,
		jobs: make(map[uuid.UUID]*job), runs: make(map[uuid.UUID]*run),
		running: make(map[*run]struct{}), doubted: make(map[*run]struct{}),
		packages: list.New(), conn: Connection{Server: opts.Server},
	}
}

// Version changes with every event and status; a view of the same version
// differs from another in what the clock alone changes.
func (b *Board) Version() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version
}

// Event takes the next event. It keeps nothing of e.
func (b *Board) Event(e *wire.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.version++
	b.conn.Events++
	b.turn(e.Epoch, now)
	if e.Missed > 0 {
		b.conn.Missed += e.Missed
		b.gap(e.Missed, now)
	}
	r := b.runOf(e)
	delete(b.doubted, r)
	if !e.Snapshot {
		b.settle(now) // the snapshot is over
	}
	lost := r.phase == Lost
	b.take(r, e, now)
	switch {
	case e.Epoch != b.previous || e.Epoch == uuid.Nil || r.phase != Running:
	case lost:
		b.stop(r, Lost, time.Time{}) // it waited while the next server was greeted
	default:
		b.loseRun(r, now)
	}
}

// turn notes the server's life. The runs of the one before are lost. mu is
// held.
func (b *Board) turn(epoch uuid.UUID, now time.Time) {
	if epoch == uuid.Nil || epoch == b.conn.Epoch || epoch == b.previous {
		return
	}
	first := b.conn.Epoch == uuid.Nil
	b.previous, b.conn.Epoch = b.conn.Epoch, epoch
	if first {
		return
	}
	b.conn.Restarts++
	b.log.add(LogEntry{Time: now.UTC(), Severity: wire.SeverityWarning, Message: "the server was restarted"})
	b.lose(b.running, now)
}

// gap makes every running run doubtful, until an event tells of it. mu is held.
func (b *Board) gap(n uint64, now time.Time) {
	b.log.add(LogEntry{Time: now.UTC(), Severity: wire.SeverityWarning, Message: missedMessage(n)})
	for r := range b.running {
		b.doubted[r] = struct{}{}
	}
	b.doubtAt = now
}

// settle ends the doubt: what no event has told of is lost. mu is held.
func (b *Board) settle(now time.Time) {
	b.lose(b.doubted, now)
}

// lose ends runs whose end was not seen, in the order in which they began. mu
// is held.
func (b *Board) lose(runs map[*run]struct{}, now time.Time) {
	byOrder := func(x, y *run) int { return cmp.Compare(x.order, y.order) }
	for _, r := range slices.SortedFunc(maps.Keys(runs), byOrder) {
		b.loseRun(r, now)
	}
}

func (b *Board) loseRun(r *run, now time.Time) {
	b.stop(r, Lost, time.Time{})
	b.log.add(r.entry(LogEntry{Time: now.UTC(), Severity: wire.SeverityWarning, Message: "the run's end was not seen"}))
}

// stop ends a run. mu is held.
func (b *Board) stop(r *run, phase Phase, at time.Time) {
	r.phase, r.ended = phase, at
	delete(b.running, r)
	delete(b.doubted, r)
	b.orders++
	r.order = b.orders
}

// runOf returns the event's run, made where it is new, as is its job. mu is
// held.
func (b *Board) runOf(e *wire.Event) *run {
	if r := b.runs[e.RunID]; r != nil {
		return r
	}
	j := b.jobs[e.JobID]
	if j == nil {
		if len(b.jobs) >= MaxJobs {
			b.forgetJob()
		}
		j = &job{id: e.JobID}
		b.jobs[e.JobID] = j
	}
	b.orders++
	r := &run{job: j, id: e.RunID, epoch: e.Epoch, phase: Running, order: b.orders, packages: make(map[int]*pack)}
	b.runs[r.id], b.running[r] = r, struct{}{}
	j.runs = append(j.runs, r)
	if len(j.runs) > MaxRuns {
		b.forgetRun(j.runs[0])
		j.runs = append(j.runs[:0], j.runs[1:]...)
		j.forgot++
	}
	return r
}

// forgetJob makes room for a job: the one whose latest run ended first, or
// where all run, began first. mu is held.
func (b *Board) forgetJob() {
	var oldest *job
	for _, j := range b.jobs {
		if oldest == nil || j.latest().after(oldest.latest()) {
			oldest = j
		}
	}
	for _, r := range oldest.runs {
		b.forgetRun(r)
	}
	delete(b.jobs, oldest.id)
	b.forgot++
}

// forgetRun leaves the run to its job to drop. mu is held.
func (b *Board) forgetRun(r *run) {
	delete(b.runs, r.id)
	delete(b.running, r)
	delete(b.doubted, r)
	for _, p := range r.packages {
		b.packages.Remove(p.place)
	}
}
