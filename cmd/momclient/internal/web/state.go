package web

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// Limits of a page.
const (
	maxRoomy    = 12  // jobs in the overview; if there are more, it has neither packages nor paths
	maxInFlight = 5   // packages of a job in the overview
	maxLog      = 300 // log entries of each severity on a job's page
	maxTroubles = 50  // jobs that need attention
)

// key returns the name of a part that belongs to a job or a log entry of a server.
func key(kind string, server int, name string) string {
	return kind + "/" + strconv.Itoa(server) + "/" + name
}

// common adds the parts that every page has, without those of attention.
func (s *Server) common(state map[string]any) {
	state["build"] = build
	for i, b := range s.boards {
		c := b.Connection()
		c.Events = 0 // would change with every event
		state["server/"+strconv.Itoa(i)] = c
	}
}

// overview fills the state of the page of all jobs.
func (s *Server) overview(state map[string]any) {
	s.common(state)
	all, views := s.rows()
	roomy := len(all) <= maxRoomy
	forgotten := 0
	for i := range all {
		r := &all[i]
		if !roomy {
			r.InFlight, r.MoreInFlight, r.SourcePath, r.DestinationPath = nil, 0, "", ""
		}
		state[key("job", r.server, r.id.String())] = r
		if r.past != nil {
			state[key("past", r.server, r.id.String())] = versioned{r.past.Version, func() any { return newSummary(r.past) }}
		}
	}
	for i := range views {
		forgotten += views[i].Forgotten
		putLog(state, i, views[i].Problems, jobs.MaxProblems)
	}
	state["forgotten"] = forgotten
	state["receivers"] = s.receivers()
	maps.Copy(state, attention(all))
}

// row is a job as the overview shows it. Its fields are named as those of jobs.Run.
type row struct {
	server int
	id     uuid.UUID
	past   *runlog.View // nil if the history does not have the job

	Name            string       `json:"name,omitempty"`
	RunID           uuid.UUID    `json:"runID,omitzero"` // only if Trouble is set
	State           wire.State   `json:"state,omitzero"`
	Running         bool         `json:"running,omitempty"`
	Outcome         wire.Outcome `json:"outcome,omitzero"`
	Lost            jobs.Loss    `json:"lost,omitempty"`
	Trouble         string       `json:"trouble,omitempty"` // see runlog.Summary.Trouble
	Started         time.Time    `json:"started,omitzero"`
	LastChange      time.Time    `json:"lastChange"`
	Ended           time.Time    `json:"ended,omitzero"`
	SourcePath      string       `json:"sourcePath,omitempty"`
	DestinationPath string       `json:"destinationPath,omitempty"`
	DryRun          bool         `json:"dryRun,omitempty"`
	Item            string       `json:"item,omitempty"`
	Known           bool         `json:"known,omitempty"`
	Fraction        float64      `json:"fraction,omitempty"`
	Rate            int64        `json:"rate,omitempty"`
	TimeLeft        int64        `json:"timeLeft,omitempty"`
	Progress        figures      `json:"progress"`
	InFlight        []flight     `json:"inFlight,omitempty"`
	MoreInFlight    int          `json:"moreInFlight,omitempty"`
}

// figures is the part of wire.Progress that the overview shows.
type figures struct {
	PackagesDone   int   `json:"packagesDone,omitempty"`
	PackagesFailed int   `json:"packagesFailed,omitempty"`
	PackagesTotal  int   `json:"packagesTotal,omitempty"`
	FilesDone      int   `json:"filesDone,omitempty"`
	FilesTotal     int   `json:"filesTotal,omitempty"`
	BytesDone      int64 `json:"bytesDone,omitempty"`
	BytesTotal     int64 `json:"bytesTotal,omitempty"`
	FilesChecked   int   `json:"filesChecked,omitempty"`
	Warnings       int   `json:"warnings,omitempty"`
	Errors         int   `json:"errors,omitempty"`
}

// flight is a package in the overview.
type flight struct {
	Number   int        `json:"number"`
	State    wire.State `json:"state"`
	Open     bool       `json:"open"`
	FileSize int64      `json:"fileSize"`
	Received int64      `json:"received"`
	Item     string     `json:"item,omitempty"`
}

// rows returns the jobs of all servers: those on the boards, and those that only the
// history has. It also returns the views of the boards.
func (s *Server) rows() (all []row, views []jobs.View) {
	past := make(map[runlog.Key]*runlog.View)
	logged := s.runs.Jobs()
	for i := range logged {
		past[logged[i].Key] = &logged[i]
	}
	servers := make(map[string]int, len(s.boards))
	for i, b := range s.boards {
		servers[b.Name()] = i
		v := b.View().View
		views = append(views, v)
		for k := range v.Jobs {
			j := &v.Jobs[k]
			key := runlog.Key{Server: b.Name(), Job: j.ID}
			all = append(all, newRow(i, j.ID, j.Name, &j.Run, past[key]))
			delete(past, key)
		}
	}
	for i := range logged {
		v := &logged[i]
		if server, has := servers[v.Key.Server]; has && past[v.Key] != nil {
			run := runOf(&v.Last)
			all = append(all, newRow(server, v.Key.Job, v.Name, &run, v))
		}
	}
	return all, views
}

func newRow(server int, id uuid.UUID, name string, r *jobs.Run, past *runlog.View) row {
	p := &r.Progress
	var sum *runlog.Summary
	if past != nil {
		sum = &past.Summary
	}
	w := row{
		server: server, id: id, past: past,
		Name: name, State: r.State, Running: r.Running, Outcome: r.Outcome, Lost: r.Lost, Trouble: sum.Trouble(r),
		Started: short(r.Started), LastChange: short(r.LastChange), Ended: short(r.Ended), SourcePath: r.SourcePath, DestinationPath: r.DestinationPath, DryRun: r.DryRun, Item: r.Item,
		Known: r.Known, Fraction: math.Floor(r.Fraction*1e4) / 1e4, Rate: r.Rate, TimeLeft: r.TimeLeft, MoreInFlight: r.MoreInFlight,
		Progress: figures{p.PackagesDone, p.PackagesFailed, p.PackagesTotal, p.FilesDone, p.FilesTotal, p.BytesDone, p.BytesTotal, p.FilesChecked, p.Warnings, p.Errors},
	}
	if w.Trouble != "" {
		w.RunID = r.ID
	}
	for i := range r.InFlight {
		if i == maxInFlight {
			w.MoreInFlight += len(r.InFlight) - maxInFlight
			break
		}
		p := &r.InFlight[i]
		w.InFlight = append(w.InFlight, flight{p.Number, p.State, p.Open, p.FileSize, p.Received, p.Item})
	}
	return w
}

// short cuts a time to what a page shows, so that it is short as JSON.
func short(t time.Time) time.Time { return t.Truncate(time.Millisecond) }

// trouble is a job that needs attention.
type trouble struct {
	Server int       `json:"server"`
	ID     uuid.UUID `json:"id"`
	Name   string    `json:"name,omitempty"`
	Kind   string    `json:"kind"` // see runlog.Summary.Trouble
	At     time.Time `json:"at"`   // when the run ended
	Why    string    `json:"why,omitempty"`
}

// attention returns the parts with the numbers of jobs by how they stand and by their
// trouble, and with the jobs that need attention, the latest first.
func attention(all []row) map[string]any {
	var counts jobs.Counts
	troubled := map[string]int{"failed": 0, "lost": 0, "errors": 0}
	troubles := []trouble{}
	for i := range all {
		r := &all[i]
		counts.Add(&jobs.Run{Running: r.Running, Lost: r.Lost, Outcome: r.Outcome})
		if r.Trouble == "" {
			continue
		}
		troubled[r.Trouble]++
		t := trouble{Server: r.server, ID: r.id, Name: r.Name, Kind: r.Trouble, At: r.LastChange}
		if r.past != nil && r.past.Summary.LastFailure != nil {
			t.At, t.Why = r.past.Summary.LastFailure.Ended, r.past.Summary.Why
		}
		troubles = append(troubles, t)
	}
	slices.SortStableFunc(troubles, func(x, y trouble) int { return cmp.Or(y.At.Compare(x.At), cmp.Compare(x.Name, y.Name)) })
	return map[string]any{"counts": counts, "troubled": troubled, "troubles": troubles[:min(len(troubles), maxTroubles)]}
}

// recent has the parts of attention for the pages of jobs, which need them at most
// once a second.
type recent struct {
	mu    sync.Mutex // guards the fields below
	made  time.Time
	parts map[string]any
}

// attention returns the parts of attention, which may be a second old.
func (s *Server) attention() map[string]any {
	r := &s.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.parts == nil || now.Sub(r.made) >= time.Second {
		all, _ := s.rows()
		r.made, r.parts = now, attention(all)
	}
	return r.parts
}

// summary is what the history says of a job, as the page shows it.
type summary struct {
	First       time.Time `json:"first,omitzero"` // when the first known run began
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	LastChange  time.Time `json:"lastChange,omitzero"`
	ChangeBytes int64     `json:"changeBytes,omitempty"`
	ChangeFiles int       `json:"changeFiles,omitempty"`
	LastFailure *failure  `json:"lastFailure,omitempty"`
	Why         string    `json:"why,omitempty"`
	Failures    int       `json:"failures,omitempty"`
	Idle        int       `json:"idle,omitempty"`
	Trend       [][3]any  `json:"trend"` // of each run the seconds, the bytes, and whether it failed
}

type failure struct {
	RunID   uuid.UUID    `json:"runID"`
	Ended   time.Time    `json:"ended"`
	Outcome wire.Outcome `json:"outcome,omitzero"`
	Lost    jobs.Loss    `json:"lost,omitempty"`
}

func newSummary(v *runlog.View) summary {
	s := &v.Summary
	w := summary{v.Totals.First, s.LastSuccess, s.LastChange, s.ChangeBytes, s.ChangeFiles, nil, s.Why, s.Failures, s.Idle, [][3]any{}}
	if f := s.LastFailure; f != nil {
		w.LastFailure = &failure{f.RunID, f.Ended, f.Outcome, f.Lost}
	}
	for _, p := range s.Trend {
		failed := 0
		if p.Failed {
			failed = 1
		}
		w.Trend = append(w.Trend, [3]any{math.Round(p.Seconds*1000) / 1000, p.Bytes, failed})
	}
	return w
}

// jobState returns a function that fills the state of the page of a job with
// the run, or with the last run if the key has none.
func (s *Server) jobState(k topicKey) func(map[string]any) {
	return func(state map[string]any) {
		s.common(state)
		maps.Copy(state, s.attention())
		if state["found"] = false; k.server < 0 {
			return
		}
		b := s.boards[k.server]
		state["server"] = k.server
		s.putRuns(state, k)
		j, ok := b.Job(k.job)
		before, inHistory := s.runs.Job(runlog.Key{Server: b.Name(), Job: k.job})
		if inHistory {
			state["past"] = newSummary(&before)
		}
		state["found"] = ok || inHistory
		if !ok {
			state["name"] = before.Name
			return
		}
		state["name"] = j.Name
		state["forgotten"] = j.Forgotten
		order := make([]uuid.UUID, 0, len(j.Runs))
		for i := range j.Runs {
			r := &j.Runs[i]
			r.InFlight = nil // the page has all packages of the run
			order = append(order, r.ID)
			state["run/"+r.ID.String()] = r
		}
		state["runs"] = order
		shown := k.run
		if shown == uuid.Nil {
			shown = j.Run.ID
		}
		s.runState(state, k, shown)
	}
}

// runState adds one run of the job to the state.
func (s *Server) runState(state map[string]any, k topicKey, run uuid.UUID) {
	d, ok := s.boards[k.server].Run(run)
	if !ok || d.JobID != k.job {
		return
	}
	state["shown"] = run
	order := make([]int, 0, len(d.Packages))
	for i := range d.Packages {
		p := &d.Packages[i]
		order = append(order, p.Number)
		state["package/"+strconv.Itoa(p.Number)] = p
	}
	state["packages"] = order
	state["packagesForgotten"] = d.PackagesForgotten
	state["throughput"] = d.Throughput
	putLog(state, k.server, d.Log, maxLog)
}

// putLog adds the newest entries, at most n of each severity.
func putLog(state map[string]any, server int, entries []jobs.LogEntry, n int) {
	var of [wire.SeverityError + 1]int
	left := 0
	for i := range entries {
		e := &entries[i]
		severity := min(max(e.Severity, wire.SeverityProcessing), wire.SeverityError)
		if of[severity]++; of[severity] > n {
			left++
			continue
		}
		state[key("log", server, strconv.FormatUint(e.Number, 10))] = fixed{e}
	}
	state["logForgotten"] = left
}
