package wire

import (
	"time"

	"github.com/google/uuid"
)

// Event is one change of state of a job or of a package. It speaks for itself:
// what it says of the run so far needs no earlier event.
//
// The JSON names are part of the contract of the momclient command.
type Event struct {
	// Seq is the event's place in its server's stream: the first is 1, each
	// next one more, without holes. The server sets it.
	Seq uint64 `json:"seq"`

	JobID uuid.UUID `json:"jobID"` // what is mirrored where; stable over its runs
	RunID uuid.UUID `json:"runID"` // one execution of the job

	Data TransferData `json:"data"`

	// Epoch, Missed and Snapshot are set on delivery, by the client. They are
	// not part of the encoded event, which is the same for all subscribers.

	// Epoch names the life of the server that Seq belongs to.
	Epoch uuid.UUID `json:"epoch,omitzero"`
	// Missed counts the events that this subscriber did not get and never
	// will, between the event delivered before this one and this one.
	Missed uint64 `json:"missed,omitempty"`
	// Snapshot marks an event that tells where an unfinished run stood when
	// the subscription began, or after a gap, rather than a new change.
	Snapshot bool `json:"snapshot,omitempty"`
}

// Cursor returns the place just after e, to resume from.
func (e *Event) Cursor() Cursor { return Cursor{Epoch: e.Epoch, Seq: e.Seq} }

// TransferData is what an event says. Parts that do not apply are nil.
type TransferData struct {
	Initialize *InitializeData `json:"initialize,omitempty"` // of the run; in every event of it
	Header     *PackageHeader  `json:"header,omitempty"`     // of the package; nil in a job's event
	Body       *PackageBody    `json:"body,omitempty"`       // of the package; nil in a job's event
	Status     Status          `json:"status"`
	Progress   Progress        `json:"progress"`
}

// InitializeData describes a run as it was known when it began. It does not
// change within the run.
type InitializeData struct {
	Name                string    `json:"name"`
	DestinationPageGUID uuid.UUID `json:"destinationPageGUID,omitzero"` // for servers that mirror pages
	SourcePath          string    `json:"sourcePath,omitempty"`
	DestinationPath     string    `json:"destinationPath,omitempty"`
	DestinationRoot     string    `json:"destinationRoot,omitempty"`
	LastExecution       time.Time `json:"lastExecution,omitzero"`   // when the job's previous run ended
	FilesInPackages     int       `json:"filesInPackages"`          // files that the run will move; 0 when not known
	PagesInPackages     int       `json:"pagesInPackages"`          // how many of these are pages
	Packages            int       `json:"packages"`                 // packages that the run will make; 0 when not known
	Bytes               int64     `json:"bytes"`                    // sum of the packages' FileSize; 0 when not known
	ContinueOnError     bool      `json:"continueOnError,omitzero"` // a failed package does not end the run
}

// PackageHeader describes one package as a file.
type PackageHeader struct {
	Number             int    `json:"number"`                   // 1 for the run's first
	FileSize           int64  `json:"fileSize"`                 // bytes
	TargetFilePath     string `json:"targetFilePath,omitempty"` // where it arrives
	SizeOfSentData     int64  `json:"sizeOfSentData"`           // bytes that left the source so far
	SizeOfReceivedData int64  `json:"sizeOfReceivedData"`       // bytes that arrived so far
}

// PackageBody counts what a package holds, never the content itself.
type PackageBody struct {
	Pages int    `json:"pages"`          // pages among the files
	Files int    `json:"files"`          // all files, pages too
	Item  string `json:"item,omitempty"` // what is moving now
}

// Status says which change an event is, and when it happened.
type Status struct {
	State State `json:"state"`
	// Final marks the event that ends its run: no event of the RunID follows.
	Final bool       `json:"final,omitempty"`
	Log   []LogEntry `json:"log,omitempty"` // since the run's event before this one
	// SentTime and ReceivedTime are the start and the end of the change, by
	// the mirroring server's clock.
	SentTime     time.Time `json:"sentTime,omitzero"`
	ReceivedTime time.Time `json:"receivedTime,omitzero"`
}

// MaxLogEntries bounds the log of one event. A reader refuses an event with more
// entries before it makes room for them, because an entry takes the same memory
// in the reader, however little is in it.
const MaxLogEntries = 1024

// LogEntry is a line of a run's log.
type LogEntry struct {
	Time     time.Time `json:"time,omitzero"`
	Severity Severity  `json:"severity"`
	Item     string    `json:"item,omitempty"` // the file or page it is about
	Message  string    `json:"message"`
}

// Progress is the run so far. Totals are what is known at this time; they are
// 0 while nothing is known, and at the end of a run without errors they equal
// what was done.
type Progress struct {
	PackagesDone   int   `json:"packagesDone"`   // imported
	PackagesFailed int   `json:"packagesFailed"` // ended by an error
	PackagesTotal  int   `json:"packagesTotal"`
	FilesDone      int   `json:"filesDone"` // in imported packages
	FilesTotal     int   `json:"filesTotal"`
	BytesDone      int64 `json:"bytesDone"` // arrived; of failed packages none
	BytesTotal     int64 `json:"bytesTotal"`
	Warnings       int   `json:"warnings"` // log entries so far
	Errors         int   `json:"errors"`
}

// Fraction returns how much of the run is done, from 0 to 1, over bytes; over
// packages where no bytes are to be moved. It is 0 where nothing is known.
func (p Progress) Fraction() float64 {
	switch {
	case p.BytesTotal > 0:
		return min(1, float64(p.BytesDone)/float64(p.BytesTotal))
	case p.PackagesTotal > 0:
		return min(1, float64(p.PackagesDone)/float64(p.PackagesTotal))
	}
	return 0
}

// Severity returns the weightiest severity of the event: that of its log
// entries, SeverityError for an error state and for a run that completed with
// errors, SeverityProcessing otherwise.
func (e *Event) Severity() Severity {
	if e.Data.Status.State.IsError() || e.CompletedWithErrors() {
		return SeverityError
	}
	worst := SeverityProcessing
	for _, entry := range e.Data.Status.Log {
		worst = max(worst, entry.Severity)
	}
	return worst
}

// Name returns the job's name, "" where the event does not say it.
func (e *Event) Name() string {
	if e.Data.Initialize == nil {
		return ""
	}
	return e.Data.Initialize.Name
}

// EndsRun reports whether e is the last event of its run.
func (e *Event) EndsRun() bool { return e.Data.Status.Final }

// CompletedWithErrors reports whether e ends a run that went to its end past
// packages that failed, or past other errors: completed, and no plain success.
func (e *Event) CompletedWithErrors() bool {
	return e.Data.Status.State == JobCompleted && (e.Data.Progress.PackagesFailed > 0 || e.Data.Progress.Errors > 0)
}
