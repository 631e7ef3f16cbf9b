package wire

import (
	"time"

	"github.com/google/uuid"
)

// Event is one change of state of a run or of a package. It is complete: nobody
// needs earlier events to tell where the run stands.
//
// The JSON names are part of the contract of the momclient command.
type Event struct {
	// Seq is the event's place in its server's stream, which counts from 1
	// without holes. The server sets it.
	Seq uint64 `json:"seq"`

	JobID uuid.UUID `json:"jobID"` // what is mirrored where; the same in all runs of the job
	RunID uuid.UUID `json:"runID"` // one execution of the job

	Data TransferData `json:"data"`

	// The client sets Epoch, Missed and Snapshot on delivery. They are not part
	// of the encoded event, which is the same for all subscribers.

	// Epoch identifies the stream that Seq counts in. A restarted server has a
	// new epoch.
	Epoch uuid.UUID `json:"epoch,omitzero"`
	// Missed counts the events between the previous delivery and this event that
	// the subscriber will never get.
	Missed uint64 `json:"missed,omitempty"`
	// Snapshot marks an event that is no new change: it tells where an unfinished
	// run stands when a subscription begins, or after a gap.
	Snapshot bool `json:"snapshot,omitempty"`
}

// Cursor returns the place just after e, from which a subscription can resume. It
// returns the zero Cursor if e is an event of a snapshot, because a client cannot
// resume within a snapshot: the cursor to keep is then the one that was kept before.
func (e *Event) Cursor() Cursor {
	if e.Snapshot {
		return Cursor{}
	}
	return Cursor{Epoch: e.Epoch, Seq: e.Seq}
}

// TransferData holds the parts of an event. Parts that do not apply are nil.
type TransferData struct {
	Initialize *InitializeData `json:"initialize,omitempty"` // the run; in each of its events
	Header     *PackageHeader  `json:"header,omitempty"`     // the package; nil if the event is of no package
	Body       *PackageBody    `json:"body,omitempty"`       // what is in it; if the event is of no package, nil or only the Item
	Status     Status          `json:"status"`
	Progress   Progress        `json:"progress"`
}

// InitializeData describes a run as far as it was known when it began. It does not
// change during the run.
type InitializeData struct {
	Name                string    `json:"name"`
	DestinationPageGUID uuid.UUID `json:"destinationPageGUID,omitzero"` // if the server mirrors pages
	SourcePath          string    `json:"sourcePath,omitempty"`
	DestinationPath     string    `json:"destinationPath,omitempty"`
	DestinationRoot     string    `json:"destinationRoot,omitempty"`
	LastExecution       time.Time `json:"lastExecution,omitzero"`   // when the job's previous run ended
	FilesInPackages     int       `json:"filesInPackages"`          // files that the run will move; 0 if unknown
	PagesInPackages     int       `json:"pagesInPackages"`          // the pages among these files
	Packages            int       `json:"packages"`                 // packages that the run will make; 0 if unknown
	Bytes               int64     `json:"bytes"`                    // sum of the packages' FileSize; 0 if unknown
	ContinueOnError     bool      `json:"continueOnError,omitzero"` // the run goes on after a failed package
	DryRun              bool      `json:"dryRun,omitzero"`          // the run only shows what it would do, and changes nothing
}

// PackageHeader describes one package as a file.
type PackageHeader struct {
	Number             int    `json:"number"`                   // 1 for the first package of the run
	FileSize           int64  `json:"fileSize"`                 // bytes
	TargetFilePath     string `json:"targetFilePath,omitempty"` // where the package arrives
	SizeOfSentData     int64  `json:"sizeOfSentData"`           // bytes that have left the source so far
	SizeOfReceivedData int64  `json:"sizeOfReceivedData"`       // bytes that have arrived so far
}

// PackageBody counts the content of a package. It never holds the content itself.
type PackageBody struct {
	Pages int    `json:"pages"`          // pages among the files
	Files int    `json:"files"`          // all files, pages included
	Item  string `json:"item,omitempty"` // the file or page that is being worked on
}

// Status is the change that an event reports.
type Status struct {
	State State `json:"state"`
	// Final marks the last event of its run.
	Final bool `json:"final,omitempty"`
	// Outcome is how the run ended, in its last event; zero in all others.
	Outcome Outcome    `json:"outcome,omitempty"`
	Log     []LogEntry `json:"log,omitempty"` // the entries since the previous event of the run
	// SentTime and ReceivedTime are the start and the end of the change, by
	// the mirroring server's clock.
	SentTime     time.Time `json:"sentTime,omitzero"`
	ReceivedTime time.Time `json:"receivedTime,omitzero"`
}

// MaxLogEntries bounds the log of one event. A reader refuses an event with more
// entries before it makes room for them, because even an empty entry takes memory.
const MaxLogEntries = 1024

// LogEntry is an entry of the log of a run.
type LogEntry struct {
	Time     time.Time `json:"time,omitzero"`
	Severity Severity  `json:"severity"`
	Item     string    `json:"item,omitempty"` // the file or page that the entry is about
	Message  string    `json:"message"`
}

// Progress is how far a run has come. A total is 0 while it is unknown, and may
// grow during the run. When a run has succeeded, the totals equal what was done,
// except those of a dry run.
type Progress struct {
	PackagesDone   int   `json:"packagesDone"`   // packages that were imported
	PackagesFailed int   `json:"packagesFailed"` // packages that an error ended
	PackagesTotal  int   `json:"packagesTotal"`
	FilesDone      int   `json:"filesDone"` // files of imported packages
	FilesTotal     int   `json:"filesTotal"`
	BytesDone      int64 `json:"bytesDone"` // bytes that arrived, without those of failed packages; less after a retry
	BytesTotal     int64 `json:"bytesTotal"`

	// OpenThousandths is how much of the packages under way has arrived, in
	// thousandths of a package: 1500 for one that has arrived and one of which
	// half has. A package of unknown size counts as 0. It is 0 if BytesTotal is
	// known.
	OpenThousandths int `json:"openThousandths,omitempty"`

	FilesSkipped int `json:"filesSkipped,omitempty"` // files that need not be moved
	FilesDeleted int `json:"filesDeleted,omitempty"` // files that were deleted at the destination
	FilesChecked int `json:"filesChecked,omitempty"` // files that were compared or verified
	Retries      int `json:"retries,omitempty"`      // times that a part of a package was moved again
	Warnings     int `json:"warnings"`               // log entries of the severity, so far
	Errors       int `json:"errors"`
}

// Known reports whether Fraction is known, because a total is. Otherwise the
// fraction is not 0 but unknown, and so are the percentage and the time left.
func (p Progress) Known() bool { return p.BytesTotal > 0 || p.PackagesTotal > 0 }

// Fraction returns how much of the run is done, from 0 to 1: the fraction of the
// bytes, or of the packages if the total of the bytes is 0. It returns 0 if both
// totals are; see Known.
func (p Progress) Fraction() float64 {
	switch {
	case p.BytesTotal > 0:
		return min(1, float64(p.BytesDone)/float64(p.BytesTotal))
	case p.PackagesTotal > 0:
		return min(1, (float64(p.PackagesDone)+float64(p.OpenThousandths)/1000)/float64(p.PackagesTotal))
	}
	return 0
}

// Severity returns SeverityError if the state is an error state, or if the run
// failed or succeeded with errors. Otherwise it returns the highest severity of
// the log entries, SeverityProcessing if there are none. The end of a run that was
// cancelled counts as at least SeverityWarning, and not as an error.
func (e *Event) Severity() Severity {
	worst := SeverityProcessing
	switch outcome := e.Outcome(); {
	case outcome == Cancelled:
		worst = SeverityWarning
	case outcome == Failed, outcome == SucceededWithErrors, e.Data.Status.State.IsError():
		return SeverityError
	}
	for _, entry := range e.Data.Status.Log {
		worst = max(worst, entry.Severity)
	}
	return worst
}

// Name returns the name of the job, "" if the event does not hold it.
func (e *Event) Name() string {
	if e.Data.Initialize == nil {
		return ""
	}
	return e.Data.Initialize.Name
}

// EndsRun reports whether e is the last event of its run.
func (e *Event) EndsRun() bool { return e.Data.Status.Final }

// Outcome returns how the run ended if e is its last event, and zero otherwise. If
// the server did not set Status.Outcome, Outcome derives it from the state and the
// progress, which do not tell that a run was cancelled.
func (e *Event) Outcome() Outcome {
	status, p := &e.Data.Status, &e.Data.Progress
	switch {
	case !status.Final:
		return 0
	case status.Outcome != 0:
		return status.Outcome
	case status.State.IsError():
		return Failed
	case p.PackagesFailed == 0 && p.Errors == 0:
		return Succeeded
	case p.PackagesDone > 0 || p.PackagesFailed == 0 && e.nothingToMove():
		return SucceededWithErrors
	}
	return Failed
}

// nothingToMove reports whether the run had nothing to move, as far as it has
// announced, or was a dry run.
func (e *Event) nothingToMove() bool {
	p := &e.Data.Progress
	return p.PackagesTotal == 0 && p.FilesTotal == 0 && p.BytesTotal == 0 || e.Data.Initialize != nil && e.Data.Initialize.DryRun
}
