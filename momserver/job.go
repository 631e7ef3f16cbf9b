package momserver

import (
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// Job is one run of a job, from JobInitialized to the event that ends it. Its
// methods and those of its packages may be called from several goroutines. None
// of them waits for a subscriber.
//
// The code that starts a run ends it: with Complete, Fail or Cancel, or with a
// package's Fail if the run does not continue on error. A deferred Close ends
// it in all other cases. [Server.Run] does all of this.
//
// # Monitoring never stops the mirroring
//
// The methods that report progress return no error. What they cannot use, such
// as a negative count, they ignore, count as [Stats.Misuse], and log once for
// each kind. The methods that start or end a package or the run return an error
// if the caller has made a mistake or the event is refused, and then change
// nothing.
//
// A nil *Job is switched off, and so is a nil *Package. Each of its methods does
// nothing and returns zero values, except that methods that are given a function
// call it, and Reader, Writer and Copy pass the bytes on.
//
// If the server is shut down first, its subscribers see the run end there. The
// Job goes on, and its methods return what they would have returned otherwise,
// but nothing more is published. With Config.Strict, the run ends for the Job
// too.
type Job struct {
	srv   *Server // nil if the Server is
	jobID uuid.UUID
	runID uuid.UUID
	init  *wire.InitializeData // never changed

	mu          sync.Mutex // guards all below and the fields of the packages; held during Publish, which does not wait
	unpublished bool       // because the run was refused, or because the server was shut down
	ended       bool
	failure     error    // as Failure returns it
	failureText string   // of failure
	lines       []func() // log lines that wait for mu to be free; see unlock
	began       time.Time
	initialized time.Time // when JobInitialized was published last
	item        string    // that the run works on before its first package
	open        map[*Package]struct{}
	account
}

// account is what a run's events carry beside its state. A copy of an account
// is a backup, so a log entry that a copy shares is never changed in place.
type account struct {
	progress        wire.Progress   // without the bytes of open packages
	openBytes       int64           // received, of open packages
	openThousandths int             // as in wire.Progress; kept up only while BytesTotal is 0
	log             []wire.LogEntry // for the run's next event
	logDropped      int             // entries that log had no room for
	started         int             // packages
	brokenOff       int             // open packages with a brokenOff
	differing       int             // completed packages that moved more or less than their FileSize
	packageFailure  *cause          // of the first package that failed
}

// JobID returns the ID of the job that mirrors what the parts name, such as a
// source and a destination. It depends only on the parts and their order.
func JobID(parts ...string) uuid.UUID {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = escapePart.Replace(part)
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("mom:"+strings.Join(escaped, "\x00")))
}

// escapePart replaces the separator of the parts.
var escapePart = strings.NewReplacer("\x00", "\x01\x02", "\x01", "\x01\x01")

// StartJob begins a run of the job with the ID jobID, which is the same for all
// its runs, and publishes JobInitialized. init describes the run and cannot be
// changed later; a zero field means that the value is not known.
//
// StartJob returns a [wire.BadRequest] error for a zero jobID or a negative
// count, a [wire.TooLarge] error if the texts of init take more than half of
// Config.MaxEventBytes, a [wire.Full] error over Config.MaxRuns, and a
// [wire.Closed] error after Shutdown or Close. The Job is then nil, and so
// switched off: a program can mirror with it all the same, as [Server.Run] does.
func (s *Server) StartJob(jobID uuid.UUID, init wire.InitializeData) (*Job, error) {
	if s == nil {
		return nil, nil
	}
	j, err := s.startJob(jobID, &init)
	if err != nil {
		s.refused.Add(1)
		return nil, err
	}
	return j, nil
}

func (s *Server) startJob(jobID uuid.UUID, init *wire.InitializeData) (*Job, error) {
	if jobID == uuid.Nil {
		return nil, wire.Errorf(wire.BadRequest, "momserver: StartJob without a job ID")
	}
	if err := s.checkInit(init); err != nil {
		return nil, err
	}
	j := newJob(s, jobID, init)
	j.mu.Lock() // before a Shutdown can find it, and end it before it has begun
	defer j.unlock()
	if !s.addJob(j) {
		return nil, wire.Errorf(wire.Closed, "momserver: StartJob after Shutdown or Close")
	}
	if err := j.publish(wire.Status{State: wire.JobInitialized, SentTime: j.began, ReceivedTime: j.began}, nil); err != nil {
		j.end()
		return nil, err
	}
	j.initialized = time.Now()
	return j, nil
}

func newJob(s *Server, jobID uuid.UUID, init *wire.InitializeData) *Job {
	return &Job{
		srv: s, jobID: jobID, runID: uuid.New(), init: init,
		began: time.Now().UTC(), open: make(map[*Package]struct{}),
		account: account{progress: wire.Progress{PackagesTotal: init.Packages, FilesTotal: init.FilesInPackages, BytesTotal: init.Bytes}},
	}
}

// checkInit refuses texts that are so long that the event at the run's end
// might be too large, and negative counts.
func (s *Server) checkInit(init *wire.InitializeData) error {
	if n := len(init.Name) + len(init.SourcePath) + len(init.DestinationPath) + len(init.DestinationRoot); n > s.cfg.MaxEventBytes/2 {
		return wire.Errorf(wire.TooLarge, "momserver: the texts of the run's InitializeData have %d bytes; at most half of Config.MaxEventBytes, %d, is allowed", n, s.cfg.MaxEventBytes/2)
	}
	if init.Packages < 0 || init.Bytes < 0 || init.FilesInPackages < 0 || init.PagesInPackages < 0 {
		return wire.Errorf(wire.BadRequest, "momserver: a run with a negative count: %d packages, %d bytes, %d files, %d pages; 0 means not known", init.Packages, init.Bytes, init.FilesInPackages, init.PagesInPackages)
	}
	return nil
}

// unlock unlocks mu, and then writes the log lines that came meanwhile, because a
// Logger may call the Job.
func (j *Job) unlock() {
	lines := j.lines
	j.lines = nil
	j.mu.Unlock()
	for _, write := range lines {
		write()
	}
}

// later writes a log line when mu is free. A Logger that panics does not end the
// program. mu is held.
func (j *Job) later(write func()) {
	j.lines = append(j.lines, func() {
		defer func() { recover() }()
		write()
	})
}

// JobID returns the ID of the job.
func (j *Job) JobID() uuid.UUID {
	if j == nil {
		return uuid.Nil
	}
	return j.jobID
}

// RunID returns the ID of this run.
func (j *Job) RunID() uuid.UUID {
	if j == nil {
		return uuid.Nil
	}
	return j.runID
}

// Ended reports whether the run has ended, with success or not.
func (j *Job) Ended() bool {
	if j == nil {
		return false
	}
	j.mu.Lock()
	defer j.unlock()
	return j.ended
}

// Failure returns the error with which the run was failed or cancelled, or an
// error that says how it was abandoned. If the run was completed past failed
// packages, Failure returns an error that wraps that of the first one. It
// returns nil before the end of the run, and after a Complete without failed
// packages, unless the outcome is Failed.
func (j *Job) Failure() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.unlock()
	return j.failure
}

// Progress returns the progress of the run so far. It is part of each event.
func (j *Job) Progress() wire.Progress {
	if j == nil {
		return wire.Progress{}
	}
	j.mu.Lock()
	defer j.unlock()
	return j.progressSoFar()
}

// errEnded returns the error of a change after the run's end. mu is held.
func (j *Job) errEnded(state wire.State) error {
	how := "it was completed"
	if j.failure != nil {
		how = duplex.Clip(j.failureText, maxLogText)
	}
	return wire.Errorf(wire.RunEnded, "momserver: cannot publish %v for job %q, because the run has ended: %s", state, j.init.Name, how)
}

// end marks the run as ended. mu is held.
func (j *Job) end() {
	j.ended = true
	clear(j.open)
	j.progress.BytesDone, j.openBytes = j.progress.BytesDone+j.openBytes, 0 // as in the last event
	if j.srv != nil {
		j.srv.removeJob(j)
	}
}
