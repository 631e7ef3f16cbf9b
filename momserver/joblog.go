package momserver

import (
	"slices"
	"time"

	"mom.internal/wire"
)

// maxLog bounds the log entries of one event; further ones are counted.
const maxLog = 32

// maxLogText bounds an item or a message, in bytes, so that a log entry does
// not take an event over its bound.
const maxLogText = 256

// Warn adds a warning about item to the log, which travels with the run's next
// event. Texts over 256 bytes are cut, a message at its end, an item at its
// begin, because a path's end names the file; over 32 entries in one event are
// counted, not carried.
func (j *Job) Warn(item, message string) { j.note(wire.SeverityWarning, item, message) }

// Error adds an error about item to the log, as Warn does a warning: something
// went wrong that ends neither the run nor a package, such as a file that was
// left out. The run then ends completed with errors, at best.
func (j *Job) Error(item, message string) { j.note(wire.SeverityError, item, message) }

// Note adds a processing note about item to the log, as Warn does a warning.
func (j *Job) Note(item, message string) { j.note(wire.SeverityProcessing, item, message) }

func (j *Job) note(severity wire.Severity, item, message string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.logLocked(severity, item, message)
}

// logLocked adds an entry to the log. mu is held.
func (j *Job) logLocked(severity wire.Severity, item, message string) {
	switch severity {
	case wire.SeverityWarning:
		j.progress.Warnings++
	case wire.SeverityError:
		j.progress.Errors++
	}
	entry := wire.LogEntry{Time: time.Now().UTC(), Severity: severity, Item: clipFront(item, maxLogText), Message: wire.Clip(message, maxLogText)}
	if len(j.log) < maxLog {
		j.log = append(j.log, entry)
		return
	}
	j.dropped++
	if severity == wire.SeverityError { // an error is worth more than what stands last
		j.log = slices.Clone(j.log) // a copy of the account may share it
		j.log[maxLog-1] = entry
	}
}
