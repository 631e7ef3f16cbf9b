package momserver

import (
	"slices"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// maxLog bounds the log entries of one event. Further entries are counted.
const maxLog = 32

// maxLogText bounds an item or a message, in bytes, so that maxLog entries fit
// an event of the default MaxEventBytes.
const maxLogText = 256

// Warn adds a warning about item to the log, which the run's next event
// carries, whichever package that event is of. Texts over 256 bytes are cut: a message at its end, an item at its
// beginning, because a path ends with the name of the file. Further
// entries than 32 for one event are counted but not kept.
func (j *Job) Warn(item, message string) { j.note(wire.SeverityWarning, item, message) }

// Error adds an error about item to the log, as Warn adds a warning. It is for
// a fault that ends neither the run nor a package, such as a file that was left
// out. At best, the run then completes with errors.
func (j *Job) Error(item, message string) { j.note(wire.SeverityError, item, message) }

// Note adds an entry of severity Processing about item to the log, as Warn adds
// a warning.
func (j *Job) Note(item, message string) { j.note(wire.SeverityProcessing, item, message) }

func (j *Job) note(severity wire.Severity, item, message string) {
	if j.lock() {
		defer j.unlock()
		j.logLocked(severity, item, message)
	}
}

// logLocked adds an entry to the log. mu is held.
func (j *Job) logLocked(severity wire.Severity, item, message string) {
	switch severity {
	case wire.SeverityWarning:
		j.progress.Warnings++
	case wire.SeverityError:
		j.progress.Errors++
	}
	entry := wire.LogEntry{Time: time.Now().UTC(), Severity: severity, Item: clipFront(item, maxLogText), Message: duplex.Clip(message, maxLogText)}
	if len(j.log) < maxLog {
		j.log = append(j.log, entry)
		return
	}
	j.logDropped++
	if severity == wire.SeverityError { // replaces the last entry, because an error is worth more
		j.log = slices.Clone(j.log) // a copy of the account may share the array
		j.log[maxLog-1] = entry
	}
}
