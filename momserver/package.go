package momserver

import (
	"math"
	"time"

	"mom.internal/wire"
)

// Package is one package of a run, from PackageInitialized to its end. Its
// fields are guarded by the job's mu.
type Package struct {
	job    *Job
	header wire.PackageHeader
	body   wire.PackageBody
	state  wire.State

	since    time.Time // when it came to the state before the transfer, or to its state
	told     time.Time // when the last Transferring was published
	untold   bool      // bytes moved since
	complete bool      // Transferring with all bytes was published
}

// StartPackage publishes PackageInitialized for a package that has been made. A
// zero header.Number becomes the next of the run; a negative count is an error.
// The error is a [wire.Full] error over Config.MaxOpenPackages, and a
// [wire.RunEnded] after the run's end.
func (j *Job) StartPackage(header wire.PackageHeader, body wire.PackageBody) (*Package, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return nil, j.errEnded(wire.PackageInitialized)
	}
	if header.Number == 0 {
		header.Number = j.numbers + 1
	}
	if header.Number < 0 || header.FileSize < 0 || header.SizeOfSentData < 0 || header.SizeOfReceivedData < 0 || body.Files < 0 || body.Pages < 0 {
		return nil, wire.Errorf(wire.BadRequest, "momserver: a package of a negative count: number %d, %d bytes, %d files, %d pages", header.Number, header.FileSize, body.Files, body.Pages)
	}
	if header.SizeOfReceivedData > j.bytesLeft() {
		return nil, wire.Errorf(wire.BadRequest, "momserver: package %d has received %d bytes, more than a run can count", header.Number, header.SizeOfReceivedData)
	}
	if most := j.srv.cfg.MaxOpenPackages; len(j.open) >= most {
		return nil, wire.Errorf(wire.Full, "momserver: %d open packages of job %q already (Config.MaxOpenPackages)", most, j.init.Name)
	}
	now := time.Now().UTC()
	p := &Package{job: j, header: header, body: body, state: wire.PackageInitialized, since: now}
	if err := j.change(wire.Status{State: wire.PackageInitialized, SentTime: now, ReceivedTime: now}, p, func() {
		j.numbers++
		j.moving += header.SizeOfReceivedData
	}); err != nil {
		return nil, err
	}
	j.open[p] = struct{}{}
	return p, nil
}

// Header returns the package's header with the bytes moved so far.
func (p *Package) Header() wire.PackageHeader {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	return p.header
}

// Item says what is moving now; it travels with the package's next event.
// Over 256 bytes its begin is cut off.
func (p *Package) Item(item string) {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	p.body.Item = clipFront(item, maxLogText)
}

// Sent adds n bytes that left the source, and publishes Transferring, at most
// every Config.ProgressInterval; the last, with all bytes, always. The bytes
// count even if the event is refused, because they have moved.
func (p *Package) Sent(n int64) error { return p.moved(n, 0) }

// Received adds n bytes that arrived, and publishes as Sent does.
func (p *Package) Received(n int64) error { return p.moved(0, n) }

func (p *Package) moved(sent, received int64) error {
	j, h := p.job, &p.header
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := p.may(wire.Transferring); err != nil {
		return err
	}
	if sent < 0 || received < 0 || sent > math.MaxInt64-h.SizeOfSentData || received > j.bytesLeft() {
		return wire.Errorf(wire.BadRequest, "momserver: %d bytes moved of package %d; want 0 or more, and no more than a run can count", sent+received, h.Number)
	}
	h.SizeOfSentData += sent
	h.SizeOfReceivedData += received
	j.moving += received
	p.untold = true
	if !p.arrived() && !p.told.IsZero() && time.Since(p.told) < j.srv.cfg.ProgressInterval {
		return nil
	}
	return p.transferring()
}

// bytesLeft returns how many more bytes the run can count. mu is held.
func (j *Job) bytesLeft() int64 { return math.MaxInt64 - j.progress.BytesDone - j.moving }

// arrived reports whether all bytes were sent and received, the first time it
// is so.
func (p *Package) arrived() bool {
	h := &p.header
	return !p.complete && h.SizeOfSentData >= h.FileSize && h.SizeOfReceivedData >= h.FileSize
}

// transferring publishes where the transfer stands. mu is held.
func (p *Package) transferring() error {
	if err := p.job.publish(wire.Status{State: wire.Transferring, SentTime: p.since}, p); err != nil {
		return err
	}
	p.complete = p.arrived()
	p.state, p.told, p.untold = wire.Transferring, time.Now(), false
	return nil
}

// Transferred publishes that all the package's bytes arrived, after a last
// Transferring where bytes moved that none has told yet.
func (p *Package) Transferred() error {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	if err := p.may(wire.Transferred); err != nil {
		return err
	}
	if p.untold {
		if err := p.transferring(); err != nil {
			return err
		}
	}
	return p.become(wire.Transferred, func() {})
}

// Complete publishes PackageCompleted: the package is imported.
func (p *Package) Complete() error {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	if err := p.may(wire.PackageCompleted); err != nil {
		return err
	}
	j := p.job
	if err := p.become(wire.PackageCompleted, func() {
		j.progress.PackagesDone++
		j.progress.FilesDone += min(p.body.Files, math.MaxInt-j.progress.FilesDone)
		j.progress.BytesDone += p.header.SizeOfReceivedData
		j.moving -= p.header.SizeOfReceivedData
	}); err != nil {
		return err
	}
	delete(j.open, p)
	return nil
}

// Warn adds a warning about item to the run's log, as [Job.Warn] does.
func (p *Package) Warn(item, message string) { p.job.Warn(item, message) }

// Fail ends the package with the error state that fits where it stood:
// TransferringError before all its bytes arrived, ImportingError after. It
// ends the run too, unless the run continues on error.
func (p *Package) Fail(why error) error { return p.FailItem("", why) }

// FailItem is Fail that names the file or page at fault.
func (p *Package) FailItem(item string, why error) error {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	state := wire.TransferringError
	if p.state == wire.Transferred {
		state = wire.ImportingError
	}
	if err := p.may(state); err != nil {
		return err
	}
	why = reason(why)
	j := p.job
	if err := p.become(state, func() {
		j.logLocked(wire.SeverityError, item, why.Error())
		j.progress.PackagesFailed++
		j.moving -= p.header.SizeOfReceivedData
	}); err != nil {
		return err
	}
	delete(j.open, p)
	if j.ended {
		j.failure = why
	}
	return nil
}

// item is what an error about the package as a whole names.
func (p *Package) item() string { return p.body.Item }

// may returns an error unless the package may become next. mu is held.
func (p *Package) may(next wire.State) error {
	switch {
	case p.state.MayBecome(next) && !p.job.ended:
		return nil
	case p.job.ended:
		return p.job.errEnded(next)
	}
	return wire.Errorf(wire.BadTransition, "momserver: package %d of job %q is %v and cannot become %v", p.header.Number, p.job.init.Name, p.state, next)
}

// become changes the job's account by calling change, and publishes the
// package's new state, next. If the event is refused, the account and the state
// stay as they were. mu is held.
func (p *Package) become(next wire.State, change func()) error {
	if err := p.job.change(wire.Status{State: next, SentTime: p.since}, p, change); err != nil {
		return err
	}
	p.state = next
	p.since = time.Now().UTC()
	return nil
}
