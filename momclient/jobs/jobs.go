// Package jobs has the state of all jobs of a server and of their runs, which every
// dashboard, report or alert needs. A [Tracker] takes the events of a client, and
// returns what each event changes:
//
//	t := jobs.New(jobs.Options{})
//	for e, err := range client.Events(ctx) {
//		if err != nil {
//			return err
//		}
//		for _, c := range t.Event(&e) {
//			fmt.Println(c.Kind, c.Run.Name, c.Run.Outcome)
//		}
//	}
//
// [Tracker.View] returns a consistent copy of the whole state at any time, and
// [Tracker.Job] and [Tracker.Run] return the details of one job or run. The copies
// are plain values with JSON names. To encode them as JSON, give the Tracker the events
// that [wire.Event.Escaped] returns, because names need not be UTF-8. A [Watch] follows
// the runs that a program waits for. A program that only waits calls
// momclient.Client.Wait instead.
//
// # Order
//
// Events must come in the order in which a client delivers them, and with their
// Epoch, Missed and Snapshot. The events of one server belong in one Tracker. An
// event that comes again, as in a snapshot, changes nothing.
//
// If the application gets the status of the connection, it should call
// [Tracker.Connected] and [Tracker.Disconnected]. The tracker then knows of a
// restart or a gap that no event announces yet, and forecasts nothing while the
// server is away. Neither call is required.
//
// # Loss
//
// A run is running, has ended with an outcome, or is lost: its end was not seen and
// cannot come any more. A run is lost if its server was restarted, or if the
// snapshot after a gap did not contain the run. The snapshot is over when an event
// comes that is not of a snapshot, if [Tracker.SnapshotDone] is called, or three
// seconds after the gap. Time alone calls nothing, so an application that acts on
// changes calls [Tracker.Tick] about once a second. If an event of a lost run comes
// after all, the run is no longer lost.
//
// # Bounds
//
// A tracker may run for months with a server that it does not control, so
// everything has a bound: see the constants. If there is no more room, what ended
// first is forgotten first. Texts are cut, and impossible times are left out.
//
// # Times and units
//
// Times of events are by the clock of the mirroring server, in UTC. Rates are
// computed from them, so that a replay of old events has the old rates. Started,
// LastChange and Ended of a run are compared with the clock of this machine, so a
// time in the future counts as now. Sizes are in bytes, rates in bytes per second,
// and times left in whole seconds. What is not known is not 0: see [Run.Known].
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

// The bounds of a Tracker.
const (
	MaxJobs        = 1000   // by default; as many as a person can look through
	MaxWatchedJobs = 16_384 // for Options.MaxJobs with a Watch: more unfinished runs than a server has by default
	MaxRuns        = 20     // of a job: about as many as a page lists
	MaxPackages    = 500    // of a run: about as many as a timeline can draw; the first that failed and the slowest are kept longest
	MaxAllPackages = 20_000 // of all runs: some 10 MB
	MaxLog         = 1000   // entries of each severity, so that notes do not displace errors
	MaxInFlight    = 20     // packages in a Run
	MaxProblems    = 50     // in a View: more than fit on a screen
	MaxSamples     = 120    // of a run's throughput; if there are more, two become one
	MaxText        = 256    // bytes of a name, path, item or message; the server has the same bound
)

// settleAfter is the time after a gap in which the snapshot may still bring a
// run, if nothing else shows that the snapshot is over. Then the run is lost.
const settleAfter = 3 * time.Second

// Options sets up a Tracker. The zero value works.
type Options struct {
	// MaxJobs bounds the jobs; [MaxJobs] if it is 0 or less.
	MaxJobs int
	// Now is the clock of this machine. If it is nil, time.Now is.
	Now func() time.Time
	// Log selects the entries of the log: those of the events that it takes, and by
	// the severity of each entry. It does not affect the jobs.
	Log wire.Filter
}

// Tracker is the state of all jobs. Its methods may be called from several
// goroutines. One mutex guards all of it, and no code waits while holding it.
// Make a Tracker with [New].
type Tracker struct {
	maxJobs int
	now     func() time.Time
	sel     wire.Filter // of the log

	mu       sync.Mutex // guards the fields below
	version  uint64
	stream   Stream
	away     bool      // Disconnected was called last
	previous uuid.UUID // the last epoch before stream.Epoch
	jobs     map[uuid.UUID]*job
	runs     map[uuid.UUID]*run
	running  map[*run]struct{}
	doubted  map[*run]struct{} // running ones whose end may be in a gap
	doubtAt  time.Time         // when the last gap was
	gapSeen  bool              // an event has announced a gap since Connected or Disconnected
	orders   uint64            // counts beginnings and ends of runs; see run.order
	packages *list.List        // *pack, of all runs, the oldest first
	log      logs
	forgot   int      // number of forgotten jobs
	changes  []Change // that no method has returned yet
}

// New returns a Tracker without jobs.
func New(opts Options) *Tracker {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MaxJobs <= 0 {
		opts.MaxJobs = MaxJobs
	}
	return &Tracker{
		maxJobs: opts.MaxJobs, now: opts.Now, sel: opts.Log,
		jobs: make(map[uuid.UUID]*job), runs: make(map[uuid.UUID]*run),
		running: make(map[*run]struct{}), doubted: make(map[*run]struct{}),
		packages: list.New(),
	}
}

// Version changes with every event, and with everything else that changes the
// state. Two views of the same version differ only in what the clock changes.
func (t *Tracker) Version() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.version
}

// Event adds the next event, and returns what it changes. It keeps no reference
// to e.
func (t *Tracker) Event(e *wire.Event) []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.version++
	t.stream.Events++
	t.turn(e.Epoch, now)
	if e.Missed > 0 {
		t.gap(e.Missed, now)
	}
	r := t.runs[e.RunID]
	delete(t.doubted, r)
	if e.Snapshot {
		t.doubtAt = now // more of it may follow
	} else {
		t.settle(now) // the snapshot is over
	}
	first := r == nil
	if first {
		r = t.addRun(e)
	}
	r.heard = now
	t.take(r, e, first, now)
	return t.takeChanges()
}

// Connected adds that the server has accepted the subscription. at, epoch and
// missed are the Time, Epoch and Missed of the client's status, whose kind is
// Connected or Resumed.
func (t *Tracker) Connected(at time.Time, epoch uuid.UUID, missed uint64) []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.version++
	t.turn(epoch, now)
	if missed > 0 && !t.gapSeen {
		// The first event after the gap has the count. If no event comes, the runs
		// without an event since the gap are doubtful all the same.
		for r := range t.running {
			if r.heard.Before(at) {
				t.doubted[r] = struct{}{}
			}
		}
		t.doubtAt = now
	}
	t.away, t.gapSeen = false, false
	return t.takeChanges()
}

// Disconnected adds that the connection is lost. No running run has a rate or a
// time left until Connected is called.
func (t *Tracker) Disconnected() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	t.away, t.gapSeen = true, false
}

// SnapshotDone adds that all events of the latest snapshot have come. A loop over
// Client.Batches knows this at the end of a batch whose Cursor has moved. Runs that
// were not in the snapshot are lost.
func (t *Tracker) SnapshotDone() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(t.now())
	return t.takeChanges()
}

// Tick returns the changes that only time makes: the runs that are lost because
// the snapshot after a gap must be over.
func (t *Tracker) Tick() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look()
	return t.takeChanges()
}

// look applies the changes that only time makes, and returns the time. mu is
// held.
func (t *Tracker) look() time.Time {
	now := t.now()
	if len(t.doubted) > 0 && now.Sub(t.doubtAt) >= settleAfter {
		t.settle(now)
	}
	return now
}

// turn records the epoch of the server. The runs of the last one are lost. mu
// is held.
func (t *Tracker) turn(epoch uuid.UUID, now time.Time) {
	if epoch == uuid.Nil || epoch == t.stream.Epoch || epoch == t.previous {
		return
	}
	first := t.stream.Epoch == uuid.Nil
	t.previous, t.stream.Epoch = t.stream.Epoch, epoch
	if first {
		return
	}
	t.stream.Restarts++
	t.change(Change{Kind: ServerRestarted})
	t.log.add(LogEntry{Time: now.UTC(), Severity: wire.SeverityWarning, Message: "the server was restarted"})
	t.lose(t.running, LostByRestart, now)
}

// gap makes every unfinished run doubtful until an event of it comes. mu is
// held.
func (t *Tracker) gap(n uint64, now time.Time) {
	t.stream.Missed += n
	t.change(Change{Kind: Gap, Missed: n})
	t.log.add(LogEntry{Time: now.UTC(), Severity: wire.SeverityWarning, Message: missedMessage(n)})
	for r := range t.running {
		t.doubted[r] = struct{}{}
	}
	t.doubtAt, t.gapSeen = now, true
}

// settle ends the doubt: runs without an event since the gap are lost. mu is
// held.
func (t *Tracker) settle(now time.Time) {
	t.lose(t.doubted, LostInGap, now)
}

// lose ends runs as lost, in the order in which they began. mu is held.
func (t *Tracker) lose(runs map[*run]struct{}, why Loss, now time.Time) {
	byOrder := func(x, y *run) int { return cmp.Compare(x.order, y.order) }
	for _, r := range slices.SortedFunc(maps.Keys(runs), byOrder) {
		t.loseRun(r, why, now)
	}
}

func (t *Tracker) loseRun(r *run, why Loss, now time.Time) {
	t.version++
	r.lost = why
	t.stop(r)
	t.change(Change{Kind: RunLost, Run: t.viewRun(r, now)})
	t.log.add(r.entry(LogEntry{Time: now.UTC(), Severity: wire.SeverityWarning, Message: "the end of the run was not seen"}))
}

// stop records that a run has ended or is lost. mu is held.
func (t *Tracker) stop(r *run) {
	delete(t.running, r)
	delete(t.doubted, r)
	t.orders++
	r.order = t.orders
}

// addRun adds the run of an event, and its job if that is new. mu is held.
func (t *Tracker) addRun(e *wire.Event) *run {
	j := t.jobs[e.JobID]
	if j == nil {
		if len(t.jobs) >= t.maxJobs {
			t.forgetJob()
		}
		j = &job{id: e.JobID}
		t.jobs[e.JobID] = j
	}
	t.orders++
	r := &run{job: j, id: e.RunID, epoch: e.Epoch, order: t.orders, packages: make(map[int]*pack)}
	t.runs[r.id], t.running[r] = r, struct{}{}
	if len(j.runs) >= MaxRuns {
		oldest := slices.IndexFunc(j.runs, (*run).idle)
		if oldest < 0 {
			oldest = max(0, slices.IndexFunc(j.runs, func(r *run) bool { return !r.running() }))
		}
		t.forgetRun(j.runs[oldest])
		j.runs = slices.Delete(j.runs, oldest, oldest+1)
		j.forgot++
	}
	j.runs = append(j.runs, r)
	return r
}

// forgetJob makes room for a job. It forgets the job whose last run ended
// first, or if all jobs run, the one that began first. mu is held.
func (t *Tracker) forgetJob() {
	var oldest *job
	for _, j := range t.jobs {
		if oldest == nil || j.latest().after(oldest.latest()) {
			oldest = j
		}
	}
	for _, r := range oldest.runs {
		t.forgetRun(r)
	}
	delete(t.jobs, oldest.id)
	t.forgot++
}

// forgetRun forgets a run except in its job, which the caller changes. mu is
// held.
func (t *Tracker) forgetRun(r *run) {
	if r.running() {
		r.lost = Forgotten
		t.change(Change{Kind: RunLost, Run: t.viewRun(r, t.now())})
	}
	delete(t.runs, r.id)
	delete(t.running, r)
	delete(t.doubted, r)
	for _, p := range r.packages {
		t.packages.Remove(p.place)
	}
}
