// Package jobs has the state that the monitor shows: it folds the events of a
// server and the statuses of the connection into jobs, runs, packages and a log.
// All of them are bounded. View returns a consistent copy at any time. Packages
// screen and web show a board.
//
// # Lost runs
//
// The last event of a run has its state. A run whose end can no longer come is
// lost: its server was restarted, or the snapshot after a gap did not have it. If
// an event of a lost run comes after all, the run is no longer lost.
//
// # Bounds
//
// A board may run for months with a server that it does not control, so everything
// has a bound: see the constants. The oldest values are forgotten first. Texts are
// cut, and impossible times are left out.
//
// # Times
//
// Times of events are by the clock of the mirroring server, in UTC. Rates are
// computed from them, so that a replay of old events has the old rates. Started,
// LastChange and Ended of a run are compared with the clock of this machine, so a
// time in the future counts as now. Times of the connection are by this machine.
package jobs

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
	MaxJobs        = 1000   // as many as a person can look through; ended jobs are forgotten first
	MaxRuns        = 20     // of a job: about as many as its page lists
	MaxPackages    = 500    // of a run: about as many as a timeline can draw
	MaxAllPackages = 20_000 // of all runs: some 10 MB
	MaxLog         = 1000   // entries of each severity, so that notes do not displace errors
	MaxInFlight    = 20     // packages of a run in a View
	MaxProblems    = 50     // in a View: more than fit on a screen
	MaxSamples     = 120    // of a run's throughput; if there are more, two become one
	MaxText        = 256    // bytes of a name, path, item or message; the server has the same bound
)

// settleAfter is the time after a gap in which the snapshot may still bring a
// run, if no other event shows that the snapshot is over. Then the run counts
// as lost.
const settleAfter = 3 * time.Second

// Options sets up a board. The zero value works.
type Options struct {
	// Server is the initial value of Connection.Server.
	Server string
	// Now is the clock. If it is nil, time.Now is.
	Now func() time.Time
	// Log selects the entries of the log: by the states of events, and by the
	// severity of each entry. It does not affect the jobs.
	Log wire.Filter
}

// Board is the state. Its methods may be called from several goroutines. One
// mutex guards all of it, and no code waits while holding it.
type Board struct {
	now func() time.Time
	sel wire.Filter

	mu       sync.Mutex // guards the fields below
	version  uint64
	conn     Connection
	previous uuid.UUID // the last epoch before conn.Epoch
	jobs     map[uuid.UUID]*job
	runs     map[uuid.UUID]*run
	running  map[*run]struct{}
	doubted  map[*run]struct{} // running ones whose end may be in a gap
	doubtAt  time.Time         // when the last gap was
	orders   uint64            // counts beginnings and ends of runs; see run.order
	packages *list.List        // *pack, of all runs, the oldest first
	log      logs
	forgot   int // number of forgotten jobs
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

// Version changes with every event and every status. Two views of the same
// version differ only in what the clock changes.
func (b *Board) Version() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version
}

// Event adds the next event. It keeps no reference to e.
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
		b.stop(r, Lost, time.Time{}) // it waited while the client connected to the next server
	default:
		b.loseRun(r, now)
	}
}

// turn records the epoch of the server. The runs of the last one are lost. mu
// is held.
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

// gap makes every unfinished run doubtful until an event of it comes. mu is
// held.
func (b *Board) gap(n uint64, now time.Time) {
	b.log.add(LogEntry{Time: now.UTC(), Severity: wire.SeverityWarning, Message: missedMessage(n)})
	for r := range b.running {
		b.doubted[r] = struct{}{}
	}
	b.doubtAt = now
}

// settle ends the doubt: runs without an event since the gap are lost. mu is
// held.
func (b *Board) settle(now time.Time) {
	b.lose(b.doubted, now)
}

// lose ends runs as lost, in the order in which they began. mu is held.
func (b *Board) lose(runs map[*run]struct{}, now time.Time) {
	byOrder := func(x, y *run) int { return cmp.Compare(x.order, y.order) }
	for _, r := range slices.SortedFunc(maps.Keys(runs), byOrder) {
		b.loseRun(r, now)
	}
}

func (b *Board) loseRun(r *run, now time.Time) {
	b.stop(r, Lost, time.Time{})
	b.log.add(r.entry(LogEntry{Time: now.UTC(), Severity: wire.SeverityWarning, Message: "the end of the run was not seen"}))
}

// stop ends a run. mu is held.
func (b *Board) stop(r *run, phase Phase, at time.Time) {
	r.phase, r.ended = phase, at
	delete(b.running, r)
	delete(b.doubted, r)
	b.orders++
	r.order = b.orders
}

// runOf returns the run of an event. It adds the run and its job if they are
// new. mu is held.
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

// forgetJob makes room for a job. It forgets the job whose last run ended
// first, or if all jobs run, the one that began first. mu is held.
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

// forgetRun forgets a run except in its job, which the caller changes. mu is
// held.
func (b *Board) forgetRun(r *run) {
	delete(b.runs, r.id)
	delete(b.running, r)
	delete(b.doubted, r)
	for _, p := range r.packages {
		b.packages.Remove(p.place)
	}
}
