package jobs

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// View is a copy of the board at one moment, for a screen: the last run of each
// job.
type View struct {
	Now        time.Time  `json:"now"`
	Version    uint64     `json:"version"`
	Connection Connection `json:"connection"`
	Counts     Counts     `json:"counts"`
	Jobs       []Job      `json:"jobs"`      // running ones first, and later ones before earlier ones
	Forgotten  int        `json:"forgotten"` // number of jobs that the board has forgotten
	Problems   []LogEntry `json:"problems"`  // the last warnings and errors, the newest first
}

// Counts has the number of jobs in each phase of their last run.
type Counts struct {
	Running             int `json:"running"`
	Completed           int `json:"completed"`
	CompletedWithErrors int `json:"completedWithErrors"`
	Failed              int `json:"failed"`
	Lost                int `json:"lost"`
}

// Job is a job with its last run.
type Job struct {
	ID      uuid.UUID `json:"id"`
	Name    string    `json:"name"` // "" where no event has said it
	Run     Run       `json:"run"`
	Earlier int       `json:"earlier"` // number of earlier runs on the board
}

// Run is the state of a run.
type Run struct {
	ID              uuid.UUID     `json:"id"`
	Epoch           uuid.UUID     `json:"epoch"`
	Seq             uint64        `json:"seq"` // of the last event
	Phase           Phase         `json:"phase"`
	State           wire.State    `json:"state"`            // of the last event
	Started         time.Time     `json:"started,omitzero"` // zero where the beginning was not seen
	LastChange      time.Time     `json:"lastChange"`
	Ended           time.Time     `json:"ended,omitzero"`         // zero if the run is unfinished or lost
	LastExecution   time.Time     `json:"lastExecution,omitzero"` // when the last run of the job ended
	SourcePath      string        `json:"sourcePath,omitempty"`
	DestinationPath string        `json:"destinationPath,omitempty"`
	ContinueOnError bool          `json:"continueOnError,omitempty"`
	Progress        wire.Progress `json:"progress"`
	Fraction        float64       `json:"fraction"`     // of the bytes that are done, from 0 to 1; 1 only if the run completed
	Rate            int64         `json:"rate"`         // bytes per second, smoothed, or the mean of an ended run; 0 if it is unknown or the server is away
	TimeLeft        int64         `json:"timeLeft"`     // whole seconds, at least 1; 0 if it is unknown
	InFlight        []Package     `json:"inFlight"`     // unfinished packages, the oldest first
	MoreInFlight    int           `json:"moreInFlight"` // number of packages beyond MaxInFlight
}

// Package is the state of a package.
type Package struct {
	Number         int        `json:"number"`
	Phase          Phase      `json:"phase"`
	State          wire.State `json:"state"`
	FileSize       int64      `json:"fileSize"`
	Sent           int64      `json:"sent"`
	Received       int64      `json:"received"`
	Files          int        `json:"files"`
	Pages          int        `json:"pages"`
	Item           string     `json:"item,omitempty"` // that moved last
	TargetFilePath string     `json:"targetFilePath,omitempty"`
	Steps          []Step     `json:"steps"` // in the order of their beginnings
}

// JobDetail is a job with all its runs on the board.
type JobDetail struct {
	Job
	Runs      []Run `json:"runs"`      // the last one first; Job.Run is the first
	Forgotten int   `json:"forgotten"` // number of runs that the board has forgotten
}

// RunDetail is a run with everything that is on the board.
type RunDetail struct {
	JobID             uuid.UUID  `json:"jobID"`
	Name              string     `json:"name"` // of the job
	Run               Run        `json:"run"`
	Packages          []Package  `json:"packages"` // in the order of their first events
	PackagesForgotten int        `json:"packagesForgotten"`
	Throughput        Throughput `json:"throughput"`
	Log               []LogEntry `json:"log"` // of all severities, the newest first
}

// Throughput is the rate over the time of a run. Each number is the mean over
// one step. The series ends when the last bytes came.
type Throughput struct {
	Start          time.Time `json:"start,omitzero"`
	Step           int64     `json:"step"` // seconds
	BytesPerSecond []int64   `json:"bytesPerSecond"`
}

// View returns a copy of the board.
func (b *Board) View() View {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.look()
	v := View{Now: now.UTC(), Version: b.version, Connection: b.conn, Forgotten: b.forgot}
	jobs := make([]*job, 0, len(b.jobs))
	for _, j := range b.jobs {
		jobs = append(jobs, j)
	}
	slices.SortFunc(jobs, func(x, y *job) int {
		if x.latest().after(y.latest()) {
			return 1
		}
		return -1
	})
	v.Jobs = make([]Job, 0, len(jobs))
	for _, j := range jobs {
		v.Counts.add(j.latest().phase)
		v.Jobs = append(v.Jobs, b.viewJob(j, now))
	}
	v.Problems = b.log.latest(MaxProblems, wire.SeverityWarning, nil)
	return v
}

// Job returns a job with its runs.
func (b *Board) Job(id uuid.UUID) (JobDetail, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[id]
	if j == nil {
		return JobDetail{}, false
	}
	now := b.look()
	d := JobDetail{Job: b.viewJob(j, now), Forgotten: j.forgot}
	for _, r := range slices.Backward(j.runs) {
		d.Runs = append(d.Runs, b.viewRun(r, now))
	}
	return d, true
}

// Run returns a run with its packages and its log.
func (b *Board) Run(id uuid.UUID) (RunDetail, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.runs[id]
	if r == nil {
		return RunDetail{}, false
	}
	d := RunDetail{
		JobID: r.job.id, Name: r.job.name, Run: b.viewRun(r, b.look()),
		Packages: make([]Package, 0, len(r.packages)), PackagesForgotten: r.forgot,
		Throughput: r.throughput.view(),
		Log:        b.log.latest(0, 0, func(e *LogEntry) bool { return e.RunID == id }),
	}
	for p := r.first; p != nil; p = p.next {
		d.Packages = append(d.Packages, p.view())
	}
	return d, true
}

// Log returns the last n entries of at least the severity, the newest first:
// those of one job, or of all jobs if job is zero. If n is 0 or less, it
// returns all entries that the board has.
func (b *Board) Log(job uuid.UUID, severity wire.Severity, n int) []LogEntry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.latest(n, severity, func(e *LogEntry) bool { return job == uuid.Nil || e.JobID == job })
}

// look applies the changes that only time makes, and returns the time. mu is
// held.
func (b *Board) look() time.Time {
	now := b.now()
	if len(b.doubted) > 0 && now.Sub(b.doubtAt) >= settleAfter {
		b.version++
		b.settle(now)
	}
	return now
}

func (b *Board) viewJob(j *job, now time.Time) Job {
	return Job{ID: j.id, Name: j.name, Run: b.viewRun(j.latest(), now), Earlier: len(j.runs) - 1}
}

func (b *Board) viewRun(r *run, now time.Time) Run {
	v := Run{
		ID: r.id, Epoch: r.epoch, Seq: r.seq, Phase: r.phase, State: r.state,
		Started: r.started, LastChange: r.lastChange, Ended: r.ended, LastExecution: r.init.LastExecution,
		SourcePath: r.init.SourcePath, DestinationPath: r.init.DestinationPath, ContinueOnError: r.init.ContinueOnError,
		Progress: r.progress, Fraction: r.fraction(), InFlight: []Package{},
	}
	if r.phase != Running {
		v.Rate = r.meanRate()
		return v
	}
	if b.conn.Connected {
		v.Rate = r.rate.rate(now)
		v.TimeLeft = r.timeLeft(v.Rate)
	}
	for p := r.first; p != nil; p = p.next {
		switch {
		case p.phase() != Running:
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
		Number: p.header.Number, Phase: p.phase(), State: p.state,
		FileSize: p.header.FileSize, Sent: p.header.SizeOfSentData, Received: p.header.SizeOfReceivedData,
		Files: p.body.Files, Pages: p.body.Pages, Item: p.body.Item, TargetFilePath: p.header.TargetFilePath,
		Steps: append([]Step{}, p.steps...),
	}
}

func (c *Counts) add(phase Phase) {
	switch phase {
	case Running:
		c.Running++
	case Completed:
		c.Completed++
	case CompletedWithErrors:
		c.CompletedWithErrors++
	case Failed:
		c.Failed++
	case Lost:
		c.Lost++
	}
}
