package jobs

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// View is a copy of the state at one moment, with the last run of each job.
type View struct {
	Now       time.Time  `json:"now"`
	Version   uint64     `json:"version"`
	Stream    Stream     `json:"stream"`
	Counts    Counts     `json:"counts"`
	Jobs      []Job      `json:"jobs"`      // running ones first, and later ones before earlier ones
	Forgotten int        `json:"forgotten"` // number of jobs that the tracker has forgotten
	Problems  []LogEntry `json:"problems"`  // the last warnings and errors, the newest first
}

// Stream is what the tracker knows of the stream of events.
type Stream struct {
	Epoch    uuid.UUID `json:"epoch,omitzero"` // of the server
	Restarts int       `json:"restarts"`       // how often the server was restarted
	Events   uint64    `json:"events"`         // received, including snapshots
	Missed   uint64    `json:"missed"`         // events in gaps, in total
}

// Counts has the number of jobs by how their last run stands.
type Counts struct {
	Running             int `json:"running"`
	Succeeded           int `json:"succeeded"`
	SucceededWithErrors int `json:"succeededWithErrors"`
	Failed              int `json:"failed"` // or ended with an outcome that this version does not know
	Cancelled           int `json:"cancelled"`
	Lost                int `json:"lost"`
}

// Job is a job with its last run. A run that found nothing to do does not take the
// place of a run before it that succeeded; Idle counts such runs.
type Job struct {
	ID      uuid.UUID `json:"id"`
	Name    string    `json:"name"` // "" if no event has said it
	Run     Run       `json:"run"`
	Idle    int       `json:"idle,omitempty"`  // number of runs after Run, which found nothing to do
	IdleAt  time.Time `json:"idleAt,omitzero"` // when the last of these ended
	Earlier int       `json:"earlier"`         // number of earlier runs that the tracker has
}

// Run is the state of a run. Exactly one of Running, Outcome and Lost is set.
type Run struct {
	JobID           uuid.UUID     `json:"jobID"`
	Name            string        `json:"name"` // of the job; "" if no event has said it
	ID              uuid.UUID     `json:"id"`
	Epoch           uuid.UUID     `json:"epoch"`
	Seq             uint64        `json:"seq"`   // of the last event
	State           wire.State    `json:"state"` // of the last event
	Running         bool          `json:"running"`
	Outcome         wire.Outcome  `json:"outcome,omitzero"` // how the run ended
	Lost            Loss          `json:"lost,omitempty"`   // why the end was not seen
	Started         time.Time     `json:"started,omitzero"` // zero if the beginning was not seen
	LastChange      time.Time     `json:"lastChange"`
	Ended           time.Time     `json:"ended,omitzero"`         // zero if the run is unfinished or lost
	LastExecution   time.Time     `json:"lastExecution,omitzero"` // when the last run of the job ended
	SourcePath      string        `json:"sourcePath,omitempty"`
	DestinationPath string        `json:"destinationPath,omitempty"`
	ContinueOnError bool          `json:"continueOnError,omitempty"`
	DryRun          bool          `json:"dryRun,omitempty"`
	Item            string        `json:"item,omitempty"` // what the run works on, before its first package
	Progress        wire.Progress `json:"progress"`
	Known           bool          `json:"known"`        // Fraction is known
	Fraction        float64       `json:"fraction"`     // how much is done, from 0 to 1; 1 only if the run succeeded
	Rate            int64         `json:"rate"`         // bytes per second, smoothed, or the mean of an ended run; 0 if it is unknown or the server is away
	TimeLeft        int64         `json:"timeLeft"`     // whole seconds, at least 1; 0 if it is unknown
	InFlight        []Package     `json:"inFlight"`     // unfinished packages, the oldest first
	MoreInFlight    int           `json:"moreInFlight"` // number of packages beyond MaxInFlight
}

// Package is the state of a package.
type Package struct {
	Number         int        `json:"number"`
	State          wire.State `json:"state"`
	Open           bool       `json:"open"` // neither the package nor its run has ended
	FileSize       int64      `json:"fileSize"`
	Sent           int64      `json:"sent"`
	Received       int64      `json:"received"`
	Files          int        `json:"files"`
	Pages          int        `json:"pages"`
	Item           string     `json:"item,omitempty"` // that moved last
	TargetFilePath string     `json:"targetFilePath,omitempty"`
	Steps          []Step     `json:"steps"` // in the order of their beginnings
}

// JobDetail is a job with all its runs that the tracker has.
type JobDetail struct {
	Job
	Runs      []Run `json:"runs"`      // the last one first
	Forgotten int   `json:"forgotten"` // number of runs that the tracker has forgotten
}

// RunDetail is a run with everything that the tracker has of it.
type RunDetail struct {
	Run
	Packages          []Package  `json:"packages"` // in the order of their first events
	PackagesForgotten int        `json:"packagesForgotten"`
	Throughput        Throughput `json:"throughput"`
	Log               []LogEntry `json:"log"` // of all severities, the newest first
}

// Throughput is the rate over the time of a run. Each number is the mean over
// one step; the last one is over half a step to one and a half. The series ends when
// the last bytes came.
type Throughput struct {
	Start          time.Time `json:"start,omitzero"`
	Step           int64     `json:"step"` // seconds
	BytesPerSecond []int64   `json:"bytesPerSecond"`
}

// View returns a copy of the state.
func (t *Tracker) View() View {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.look()
	v := View{Now: now.UTC(), Version: t.version, Stream: t.stream, Forgotten: t.forgot}
	all := slices.SortedFunc(maps.Values(t.jobs), func(x, y *job) int {
		if x.latest().after(y.latest()) {
			return 1
		}
		return -1
	})
	v.Jobs = make([]Job, 0, len(all))
	for _, j := range all {
		shown := t.viewJob(j, now)
		v.Counts.Add(&shown.Run)
		v.Jobs = append(v.Jobs, shown)
	}
	v.Problems = t.log.latest(MaxProblems, wire.SeverityWarning, nil)
	return v
}

// Stream returns what the tracker knows of the stream of events.
func (t *Tracker) Stream() Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stream
}

// Job returns a job with its runs.
func (t *Tracker) Job(id uuid.UUID) (JobDetail, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := t.jobs[id]
	if j == nil {
		return JobDetail{}, false
	}
	now := t.look()
	d := JobDetail{Job: t.viewJob(j, now), Forgotten: j.forgot}
	for _, r := range slices.Backward(j.runs) {
		d.Runs = append(d.Runs, t.viewRun(r, now))
	}
	return d, true
}

// Run returns a run with its packages and its log.
func (t *Tracker) Run(id uuid.UUID) (RunDetail, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.runs[id]
	if r == nil {
		return RunDetail{}, false
	}
	d := RunDetail{
		Run:      t.viewRun(r, t.look()),
		Packages: make([]Package, 0, len(r.packages)), PackagesForgotten: r.forgot,
		Throughput: r.throughput.view(),
		Log:        t.log.latest(0, 0, func(e *LogEntry) bool { return e.RunID == id }),
	}
	for p := r.first; p != nil; p = p.next {
		d.Packages = append(d.Packages, p.view())
	}
	return d, true
}

// Log returns the last n entries of at least the severity, the newest first:
// those of one job, or of all jobs if job is zero. If n is 0 or less, it
// returns all entries that the tracker has.
func (t *Tracker) Log(job uuid.UUID, severity wire.Severity, n int) []LogEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.log.latest(n, severity, func(e *LogEntry) bool { return job == uuid.Nil || e.JobID == job })
}

func (t *Tracker) viewJob(j *job, now time.Time) Job {
	shown, latest := j.shown(), j.latest()
	v := Job{ID: j.id, Name: j.name, Run: t.viewRun(shown, now)}
	if latest != shown {
		v.Idle = len(j.runs) - 1 - slices.Index(j.runs, shown)
		v.IdleAt = latest.ended
	}
	v.Earlier = len(j.runs) - 1 - v.Idle
	return v
}

func (t *Tracker) viewRun(r *run, now time.Time) Run {
	v := Run{
		JobID: r.job.id, Name: r.name(), ID: r.id, Epoch: r.epoch, Seq: r.seq, State: r.state,
		Running: r.running(), Outcome: r.outcome, Lost: r.lost,
		Started: r.started, LastChange: r.lastChange, Ended: r.ended, LastExecution: r.init.LastExecution,
		SourcePath: r.init.SourcePath, DestinationPath: r.init.DestinationPath,
		ContinueOnError: r.init.ContinueOnError, DryRun: r.init.DryRun, Item: r.item,
		Progress: r.progress, Known: r.known(), Fraction: r.fraction(), InFlight: []Package{},
	}
	if !v.Running {
		v.Rate = r.meanRate()
		return v
	}
	if !t.away {
		v.Rate = r.rate.rate(now)
		v.TimeLeft = r.timeLeft(v.Rate, now)
	}
	for p := r.first; p != nil; p = p.next {
		switch {
		case !p.open():
		case len(v.InFlight) < MaxInFlight:
			v.InFlight = append(v.InFlight, p.view())
		default:
			v.MoreInFlight++
		}
	}
	return v
}

func (p *pack) view() Package {
	return Package{
		Number: p.header.Number, State: p.state, Open: p.open(),
		FileSize: p.header.FileSize, Sent: p.header.SizeOfSentData, Received: p.header.SizeOfReceivedData,
		Files: p.body.Files, Pages: p.body.Pages, Item: p.body.Item, TargetFilePath: p.header.TargetFilePath,
		Steps: append([]Step{}, p.steps...),
	}
}

// Add counts a run.
func (c *Counts) Add(r *Run) {
	switch {
	case r.Running:
		c.Running++
	case r.Lost != "":
		c.Lost++
	case r.Outcome == wire.Succeeded:
		c.Succeeded++
	case r.Outcome == wire.SucceededWithErrors:
		c.SucceededWithErrors++
	case r.Outcome == wire.Cancelled:
		c.Cancelled++
	default:
		c.Failed++
	}
}
