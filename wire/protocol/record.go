package protocol

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
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

// The indexes of the fields of a record.
const (
	fieldSeq = iota
	fieldOf
	fieldRun
	fieldPackage
	fieldState
	fieldFinal
	fieldSent
	fieldReceived
	fieldItem
	fieldBegan
	fieldEnded
	fieldLog
	fieldPackagesDone
	fieldPackagesFailed
	fieldPackagesTotal
	fieldFilesDone
	fieldFilesTotal
	fieldBytesDone
	fieldBytesTotal
	fieldWarnings
	fieldErrors
	fieldOutcome
	fieldFilesSkipped
	fieldFilesDeleted
	fieldFilesChecked
	fieldRetries
	fieldOpenThousandths
	recordFields // how many there are
)

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
	if s := t.Unix(); s < firstSecond || s > lastSecond {
		return 0
	}
	return t.UnixNano()
}

// The seconds of the years from 1678 to 2261.
const (
	firstSecond = -9214560000
	lastSecond  = 9214646399
)

// fromNanos returns the time, in UTC, for which nanos returns n.
func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// eventRecord is the record of an event in a form that gob.Writer writes several times
// as fast as encoding/gob writes a record.
type eventRecord struct {
	numbers [recordFields]uint64 // by index; a signed number is in the form of gob.Signed
	item    string
	log     []wire.LogEntry
}

// set makes r the record of ev. of is the number of the definition that completes ev.
func (r *eventRecord) set(ev *wire.Event, of uint64) {
	n, status, p := &r.numbers, &ev.Data.Status, &ev.Data.Progress
	n[fieldSeq], n[fieldOf] = ev.Seq, of
	n[fieldState], n[fieldOutcome], n[fieldFinal] = uint64(status.State), uint64(status.Outcome), 0
	if status.Final {
		n[fieldFinal] = 1
	}
	n[fieldBegan], n[fieldEnded] = gob.Signed(nanos(status.SentTime)), gob.Signed(nanos(status.ReceivedTime))
	n[fieldPackagesDone], n[fieldPackagesFailed], n[fieldPackagesTotal] = count(p.PackagesDone), count(p.PackagesFailed), count(p.PackagesTotal)
	n[fieldFilesDone], n[fieldFilesTotal] = count(p.FilesDone), count(p.FilesTotal)
	n[fieldBytesDone], n[fieldBytesTotal] = gob.Signed(p.BytesDone), gob.Signed(p.BytesTotal)
	n[fieldFilesSkipped], n[fieldFilesDeleted], n[fieldFilesChecked] = count(p.FilesSkipped), count(p.FilesDeleted), count(p.FilesChecked)
	n[fieldRetries], n[fieldOpenThousandths] = count(p.Retries), count(p.OpenThousandths)
	n[fieldWarnings], n[fieldErrors] = count(p.Warnings), count(p.Errors)
	n[fieldSent], n[fieldReceived], r.item, r.log = 0, 0, "", status.Log
	if h := ev.Data.Header; h != nil {
		n[fieldSent], n[fieldReceived] = gob.Signed(h.SizeOfSentData), gob.Signed(h.SizeOfReceivedData)
	}
	if b := ev.Data.Body; b != nil {
		r.item = b.Item
	}
}

func count(n int) uint64 { return gob.Signed(int64(n)) }

// GobFields implements gob.Fielder. The fields are those of a record.
func (r *eventRecord) GobFields(f *gob.Fields) []byte {
	n := &r.numbers
	f.Uints(n[:fieldRun])
	f.Skip(fieldState - fieldRun)
	f.Uints(n[fieldState:fieldItem])
	f.Text(r.item)
	f.Uints(n[fieldBegan:fieldLog])
	f.List(len(r.log), func(i int) {
		entry := &r.log[i]
		f.Uints([]uint64{gob.Signed(nanos(entry.Time)), uint64(entry.Severity)})
		f.Text(entry.Item)
		f.Text(entry.Message)
	})
	f.Uints(n[fieldLog+1:])
	return nil
}

// eventParts holds the parts of an event that no other event shares.
type eventParts struct {
	header wire.PackageHeader
	body   wire.PackageBody
}

// definition is a definition as the receiving end keeps it.
type definition struct {
	run   *runDefinition
	pack  *packageDefinition // nil in the definition of a run
	place uint64             // in the order in which definitions came
}
