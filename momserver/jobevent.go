package momserver

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// jobevent.go makes the events of a run of its account.

// progressSoFar returns the progress with what has arrived of open packages. mu
// is held.
func (j *Job) progressSoFar() wire.Progress {
	p := j.progress
	p.BytesDone += j.openBytes
	if p.BytesTotal > 0 {
		p.BytesTotal = max(p.BytesTotal, p.BytesDone)
	} else {
		p.OpenThousandths = j.openThousandths
	}
	if p.FilesTotal > 0 {
		p.FilesTotal = max(p.FilesTotal, p.FilesDone)
	}
	if p.PackagesTotal > 0 {
		p.PackagesTotal = max(p.PackagesTotal, j.started)
	}
	return p
}

// bytesLeft returns how many more bytes the run can count. mu is held.
func (j *Job) bytesLeft() int64 { return math.MaxInt64 - j.progress.BytesDone - j.openBytes }

// change calls the function change, which changes the account, and publishes
// the status that goes with the change. If the event is refused, it restores
// the account. mu is held.
func (j *Job) change(status wire.Status, pkg *Package, change func()) error {
	before := j.account
	change()
	err := j.publish(status, pkg)
	if err != nil {
		j.account = before
	}
	return err
}

// publish publishes a change of the run, or of pkg if it is not nil, with the
// log so far. If the event is refused, the log is kept for the next one. An event
// that is too large for this server is no reason to refuse a change, except for
// the start of a package: it is counted as refused, unless Config.Strict is set.
// mu is held.
func (j *Job) publish(status wire.Status, pkg *Package) error {
	if pkg != nil && pkg.unpublished {
		return nil // the run's next event has the log
	}
	if !j.unpublished {
		err := j.emit(status, pkg)
		if errors.Is(err, wire.TooLarge) && status.State != wire.PackageInitialized && status.State != wire.JobInitialized && !j.srv.cfg.Strict {
			j.refused("momserver: a change of a run is not published", err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	j.log, j.logDropped = nil, 0
	if status.State.EndsRun(j.init.ContinueOnError) {
		j.end()
	}
	return nil
}

// emit publishes an event as publish does, and changes nothing here. From an event
// that is too large it leaves out one part after another, because a change of state
// is worth more than its texts. mu is held.
func (j *Job) emit(status wire.Status, pkg *Package) error {
	status.Log = j.log
	if j.logDropped > 0 {
		status.Log = append(slices.Clip(j.log), wire.LogEntry{Time: time.Now().UTC(), Severity: wire.SeverityProcessing, Message: fmt.Sprintf("%d more log entries", j.logDropped)})
	}
	if status.ReceivedTime.IsZero() {
		status.ReceivedTime = time.Now().UTC()
	}
	ev := wire.Event{JobID: j.jobID, RunID: j.runID, Data: wire.TransferData{Initialize: j.init, Status: status, Progress: j.progressSoFar()}}
	var header wire.PackageHeader
	var body wire.PackageBody
	switch {
	case pkg != nil:
		header, body = pkg.header, pkg.body
		ev.Data.Header, ev.Data.Body = &header, &body
	case status.State == wire.JobInitialized && j.item != "":
		body.Item = j.item
		ev.Data.Body = &body
	}
	err := j.srv.publish(&ev, true)
	if status.State == wire.PackageInitialized && len(status.Log) == 0 {
		return err
	}
	for _, leaveOut := range [...]func(){
		func() {
			if n := len(status.Log); n > 0 {
				ev.Data.Status.Log = []wire.LogEntry{{Severity: ev.Severity(), Message: fmt.Sprintf("%d log entries left out: the event would be too large", n)}}
			}
		},
		func() { body.Item = "" },
		func() { header.TargetFilePath = "" },
		func() {
			init := *j.init
			init.Name, init.SourcePath, init.DestinationPath, init.DestinationRoot = duplex.Clip(init.Name, 64), "", "", ""
			ev.Data.Initialize, ev.Data.Status.Log = &init, nil
		},
	} {
		if !errors.Is(err, wire.TooLarge) {
			break
		}
		leaveOut()
		err = j.srv.publish(&ev, true)
		if status.State == wire.PackageInitialized {
			break // its other texts are the caller's
		}
	}
	return err
}
