package protocol

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// record.go is the form of an event in the stream. The parts that it has in common
// with other events of its run or package are sent once, in a definition, and the
// record of the event refers to that definition.

// record is one value of the stream: a definition if Run or Package is set, else an
// event. The fields cross the wire and are append-only.
type record struct {
	Seq uint64 // of an event; 0 in a definition
	// Of is the number of the definition that completes the event: that of its
	// package, or of its run if it has no package. In a definition, Of is the
	// number of the definition itself.
	Of      uint64
	Run     *runDefinition
	Package *packageDefinition

	State                                       wire.State
	Final                                       bool
	Sent, Received                              int64 // SizeOfSentData and SizeOfReceivedData
	Item                                        string
	Began, Ended                                int64 // SentTime and ReceivedTime, as nanos returns them
	Log                                         logRecords
	PackagesDone, PackagesFailed, PackagesTotal int
	FilesDone, FilesTotal                       int
	BytesDone, BytesTotal                       int64
	Warnings, Errors                            int
	Outcome                                     wire.Outcome
	FilesSkipped, FilesDeleted, FilesChecked    int
	Retries, OpenThousandths                    int
}

// runDefinition holds what the events of a run have in common.
type runDefinition struct {
	JobID, RunID  uuid.UUID
	Initialize    *wire.InitializeData
	LastExecution int64 // of the run; zero in Initialize
}

// packageDefinition holds what the events of a package have in common.
type packageDefinition struct {
	Run    uint64              // number of the run's definition
	Header *wire.PackageHeader // without SizeOfSentData and SizeOfReceivedData
	Body   *wire.PackageBody   // without Item
}

// logRecord is a [wire.LogEntry].
type logRecord struct {
	Time     int64
	Severity wire.Severity
	Item     string
	Message  string
}

// logRecords is the log of one event.
type logRecords []logRecord

// Bound implements gob.Bounded.
func (logRecords) Bound(n int) error {
	if n > wire.MaxLogEntries {
		return fmt.Errorf("an event with %d log entries; at most %d", n, wire.MaxLogEntries)
	}
	return nil
}

// nanos returns a time as nanoseconds since 1970, 0 for the zero time. Times
// that do not fit, before 1678 or after 2261, become 0 too.
func nanos(t time.Time) int64 {
	if y := t.Year(); y < 1678 || y > 2261 {
		return 0
	}
	return t.UnixNano()
}

// fromNanos returns the time, in UTC, for which nanos returns n.
func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// set makes r the record of ev.
func (r *record) set(ev *wire.Event, of uint64) {
	status, p := &ev.Data.Status, &ev.Data.Progress
	*r = record{
		Seq: ev.Seq, Of: of, State: status.State, Final: status.Final, Outcome: status.Outcome,
		Began: nanos(status.SentTime), Ended: nanos(status.ReceivedTime),
		PackagesDone: p.PackagesDone, PackagesFailed: p.PackagesFailed, PackagesTotal: p.PackagesTotal,
		FilesDone: p.FilesDone, FilesTotal: p.FilesTotal, BytesDone: p.BytesDone, BytesTotal: p.BytesTotal,
		OpenThousandths: p.OpenThousandths, FilesSkipped: p.FilesSkipped, FilesDeleted: p.FilesDeleted, FilesChecked: p.FilesChecked,
		Retries: p.Retries, Warnings: p.Warnings, Errors: p.Errors,
	}
	if h := ev.Data.Header; h != nil {
		r.Sent, r.Received = h.SizeOfSentData, h.SizeOfReceivedData
	}
	if b := ev.Data.Body; b != nil {
		r.Item = b.Item
	}
	for i := range status.Log {
		entry := &status.Log[i]
		r.Log = append(r.Log, logRecord{Time: nanos(entry.Time), Severity: entry.Severity, Item: entry.Item, Message: entry.Message})
	}
}

// eventParts holds the parts of an event that no other event shares.
type eventParts struct {
	header wire.PackageHeader
	body   wire.PackageBody
}

// fill sets ev to the event of r, which def completes. If the event is of a package,
// ev points to own.
func (r *record) fill(ev *wire.Event, def *definition, own *eventParts) {
	*ev = wire.Event{
		Seq: r.Seq, JobID: def.run.JobID, RunID: def.run.RunID,
		Data: wire.TransferData{
			Initialize: def.run.Initialize,
			Status:     wire.Status{State: r.State, Final: r.Final, Outcome: r.Outcome, SentTime: fromNanos(r.Began), ReceivedTime: fromNanos(r.Ended)},
			Progress: wire.Progress{
				PackagesDone: r.PackagesDone, PackagesFailed: r.PackagesFailed, PackagesTotal: r.PackagesTotal,
				FilesDone: r.FilesDone, FilesTotal: r.FilesTotal, BytesDone: r.BytesDone, BytesTotal: r.BytesTotal,
				OpenThousandths: r.OpenThousandths, FilesSkipped: r.FilesSkipped, FilesDeleted: r.FilesDeleted, FilesChecked: r.FilesChecked,
				Retries: r.Retries, Warnings: r.Warnings, Errors: r.Errors,
			},
		},
	}
	if p := def.pack; p != nil {
		if p.Header != nil {
			own.header = *p.Header
			own.header.SizeOfSentData, own.header.SizeOfReceivedData = r.Sent, r.Received
			ev.Data.Header = &own.header
		}
		if p.Body != nil {
			own.body = *p.Body
			own.body.Item = r.Item
			ev.Data.Body = &own.body
		}
	}
	if len(r.Log) > 0 {
		log := make([]wire.LogEntry, len(r.Log))
		for i := range r.Log {
			entry := &r.Log[i]
			log[i] = wire.LogEntry{Time: fromNanos(entry.Time), Severity: entry.Severity, Item: entry.Item, Message: entry.Message}
		}
		ev.Data.Status.Log = log
	}
}

// definition is a definition as the receiving end keeps it.
type definition struct {
	run  *runDefinition
	pack *packageDefinition // nil in the definition of a run
}
