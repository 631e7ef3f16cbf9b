package momserver

import (
	"math"
	"time"

	"mom.internal/wire"
)

// Package is one package of a run, from PackageInitialized to its end.
//
// Its methods return a [wire.BadTransition] error if the package's state does
// not allow them, a [wire.RunEnded] error after the end of the run, and
// Publish's errors. They then change nothing, except that Sent and Received
// count bytes even if the event is refused.
type Package struct {
	// Guarded by the job's mu.
	job    *Job
	header wire.PackageHeader
	body   wire.PackageBody
	state  wire.State

	since            time.Time // when it came to its state; during the transfer, to the state before
	lastTransferring time.Time // when it was published
	unpublished      bool      // bytes have moved since
	allPublished     bool      // Transferring with all bytes has been published
}

// StartPackage publishes PackageInitialized for a package that has been made.
// If header.Number is zero, the package gets the next number of the run.
// StartPackage returns a [wire.BadRequest] error for counts out of range, a
// [wire.Full] error over Config.MaxOpenPackages, and a [wire.RunEnded] error
// after the end of the run.
func (j *Job) StartPackage(header wire.PackageHeader, body wire.PackageBody) (*Package, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return nil, j.errEnded(wire.PackageInitialized)
	}
	if header.Number == 0 {
		header.Number = j.started + 1
	}
	if header.Number < 0 || header.FileSize < 0 || header.SizeOfSentData < 0 || header.SizeOfReceivedData < 0 || body.Files < 0 || body.Pages < 0 {
		return nil, wire.Errorf(wire.BadRequest, "momserver: a package with a negative count: number %d, %d bytes, %d files, %d pages", header.Number, header.FileSize, body.Files, body.Pages)
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
		j.started++
		j.openBytes += header.SizeOfReceivedData
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

// Item sets the file or page that is being worked on. The package's next event
// carries it. Over 256 bytes, its beginning is cut off.
func (p *Package) Item(item string) {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	p.body.Item = clipFront(item, maxLogText)
}

// Sent adds n bytes that have left the source, and publishes Transferring, at
// most once in Config.ProgressInterval. When all bytes have been sent and
// received, Transferring is always published.
func (p *Package) Sent(n int64) error { return p.addBytes(n, 0) }

// Received adds n bytes that have arrived at the destination, and publishes as
// Sent does.
func (p *Package) Received(n int64) error { return p.addBytes(0, n) }

func (p *Package) addBytes(sent, received int64) error {
	j, h := p.job, &p.header
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := p.check(wire.Transferring); err != nil {
		return err
	}
	if sent < 0 || received < 0 || sent > math.MaxInt64-h.SizeOfSentData || received > j.bytesLeft() {
		return wire.Errorf(wire.BadRequest, "momserver: %d bytes moved of package %d; want 0 or more, and no more than a run can count", sent+received, h.Number)
	}
	h.SizeOfSentData += sent
	h.SizeOfReceivedData += received
	j.openBytes += received
	p.unpublished = true
	if !p.justArrived() && !p.lastTransferring.IsZero() && time.Since(p.lastTransferring) < j.srv.cfg.ProgressInterval {
		return nil
	}
	return p.transferring()
}

// bytesLeft returns how many more bytes the run can count. mu is held.
func (j *Job) bytesLeft() int64 { return math.MaxInt64 - j.progress.BytesDone - j.openBytes }

// justArrived reports whether all bytes have been sent and received, and no
// Transferring with all bytes has been published.
func (p *Package) justArrived() bool {
	h := &p.header
	return !p.allPublished && h.SizeOfSentData >= h.FileSize && h.SizeOfReceivedData >= h.FileSize
}

// transferring publishes how many bytes have moved. mu is held.
func (p *Package) transferring() error {
	if err := p.job.publish(wire.Status{State: wire.Transferring, SentTime: p.since}, p); err != nil {
		return err
	}
	p.allPublished = p.justArrived()
	p.state, p.lastTransferring, p.unpublished = wire.Transferring, time.Now(), false
	return nil
}

// Transferred publishes that all bytes of the package have arrived. If bytes
// have moved since the last Transferring, it publishes Transferring first.
func (p *Package) Transferred() error {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	if err := p.check(wire.Transferred); err != nil {
		return err
	}
	if p.unpublished {
		if err := p.transferring(); err != nil {
			return err
		}
	}
	return p.transition(wire.Transferred, func() {})
}

// Complete publishes PackageCompleted: the package has been imported.
func (p *Package) Complete() error {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	if err := p.check(wire.PackageCompleted); err != nil {
		return err
	}
	j := p.job
	if err := p.transition(wire.PackageCompleted, func() {
		j.progress.PackagesDone++
		j.progress.FilesDone += min(p.body.Files, math.MaxInt-j.progress.FilesDone)
		j.progress.BytesDone += p.header.SizeOfReceivedData
		j.openBytes -= p.header.SizeOfReceivedData
	}); err != nil {
		return err
	}
	delete(j.open, p)
	return nil
}

// Warn adds a warning about item to the run's log, as [Job.Warn] does.
func (p *Package) Warn(item, message string) { p.job.Warn(item, message) }

// Fail ends the package with TransferringError, or with ImportingError if all
// its bytes have arrived. It ends the run too, unless the run continues on
// error. The log of the event has the text of why.
func (p *Package) Fail(why error) error { return p.FailItem("", why) }

// FailItem is Fail, and the log names item, the file or page at fault.
func (p *Package) FailItem(item string, why error) error {
	p.job.mu.Lock()
	defer p.job.mu.Unlock()
	state := wire.TransferringError
	if p.state == wire.Transferred {
		state = wire.ImportingError
	}
	if err := p.check(state); err != nil {
		return err
	}
	why = orUnknown(why)
	j := p.job
	if err := p.transition(state, func() {
		j.logLocked(wire.SeverityError, item, why.Error())
		j.progress.PackagesFailed++
		j.openBytes -= p.header.SizeOfReceivedData
	}); err != nil {
		return err
	}
	delete(j.open, p)
	if j.ended {
		j.failure = why
	}
	return nil
}

// check returns an error unless the package may become next. mu is held.
func (p *Package) check(next wire.State) error {
	switch {
	case p.state.MayBecome(next) && !p.job.ended:
		return nil
	case p.job.ended:
		return p.job.errEnded(next)
	}
	return wire.Errorf(wire.BadTransition, "momserver: package %d of job %q is %v and cannot become %v", p.header.Number, p.job.init.Name, p.state, next)
}

// transition changes the job's account by calling change, and publishes the
// package's new state, next. If the event is refused, the account and the state
// stay as they were. mu is held.
func (p *Package) transition(next wire.State, change func()) error {
	if err := p.job.change(wire.Status{State: next, SentTime: p.since}, p, change); err != nil {
		return err
	}
	p.state = next
	p.since = time.Now().UTC()
	return nil
}
