package momserver

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"mom.internal/wire"
)

// Package is one package of a run, from PackageInitialized to its end. It obeys
// the same rules as a [Job]: the methods that report progress return no error
// and ignore what they cannot use, and a nil *Package is switched off.
//
// The methods that end the package return a [wire.BadTransition] error if the
// package's state does not allow them, a [wire.RunEnded] error after the end of
// the run, and Publish's errors. They then change nothing.
type Package struct {
	// Guarded by the job's mu.
	job    *Job
	header wire.PackageHeader
	body   wire.PackageBody
	state  wire.State

	since            time.Time // when it came to its state; during the transfer, to the state before
	lastTransferring time.Time // when it was published
	thousandths      int       // of it that have arrived, as counted in the job's openThousandths

	brokenOff     *cause // why it was broken off on purpose; nil if it was not. See FailItem
	brokenOffItem string

	unpublished bool // because StartPackage has refused it; see Job.Package
}

// StartPackage publishes PackageInitialized for a package that has been made.
// If header.Number is zero, the package gets the next number of the run.
// StartPackage returns a [wire.BadRequest] error for counts out of range, a
// [wire.Full] error over Config.MaxOpenPackages, a [wire.TooLarge] error for an
// event over Config.MaxEventBytes, and a [wire.RunEnded] error after the end of
// the run. The Package is then nil, and so switched off. [Job.Package] goes on
// with it.
func (j *Job) StartPackage(header wire.PackageHeader, body wire.PackageBody) (*Package, error) {
	if j == nil {
		return nil, nil
	}
	j.mu.Lock()
	defer j.unlock()
	if j.ended {
		return nil, j.errEnded(wire.PackageInitialized)
	}
	p, err := j.startPackage(header, body)
	if err != nil {
		if j.srv != nil {
			j.srv.refused.Add(1)
		}
		return nil, err
	}
	return p, nil
}

// startPackage is StartPackage in a run that has not ended. mu is held.
func (j *Job) startPackage(header wire.PackageHeader, body wire.PackageBody) (*Package, error) {
	if header.Number == 0 {
		header.Number = j.started + 1
	}
	if header.Number < 0 || header.FileSize < 0 || header.SizeOfSentData < 0 || header.SizeOfReceivedData < 0 || body.Files < 0 || body.Pages < 0 {
		return nil, wire.Errorf(wire.BadRequest, "momserver: a package with a negative count: number %d, %d bytes, %d files, %d pages", header.Number, header.FileSize, body.Files, body.Pages)
	}
	if header.SizeOfReceivedData > j.bytesLeft() {
		return nil, wire.Errorf(wire.BadRequest, "momserver: package %d has received %d bytes, more than a run can count", header.Number, header.SizeOfReceivedData)
	}
	if !j.unpublished && len(j.open) >= j.srv.cfg.MaxOpenPackages {
		if err := j.failBrokenOff(); err != nil { // the run goes on without them
			return nil, err
		}
	}
	if !j.unpublished && len(j.open) >= j.srv.cfg.MaxOpenPackages {
		return nil, wire.Errorf(wire.Full, "momserver: %d open packages of job %q already (Config.MaxOpenPackages)", len(j.open), j.init.Name)
	}
	now := time.Now().UTC()
	p := &Package{job: j, header: header, body: body, state: wire.PackageInitialized, since: now}
	if err := j.change(wire.Status{State: wire.PackageInitialized, SentTime: now, ReceivedTime: now}, p, func() {
		j.started++
		j.openBytes += header.SizeOfReceivedData
		p.countThousandths()
	}); err != nil {
		return nil, err
	}
	j.open[p] = struct{}{}
	if err := j.failBrokenOff(); err != nil { // again with the next package
		j.refused("momserver: progress is not published", err)
	}
	return p, nil
}

// refusedPackage returns a package that is not published, because StartPackage has
// refused it, but counts in the run. It returns nil after the end of the run.
func (j *Job) refusedPackage(header wire.PackageHeader, body wire.PackageBody) *Package {
	j.mu.Lock()
	defer j.unlock()
	if j.ended {
		return nil
	}
	header.FileSize, header.SizeOfSentData, header.SizeOfReceivedData, body.Files = max(0, header.FileSize), 0, 0, max(0, body.Files)
	j.started++
	return &Package{job: j, header: header, body: body, state: wire.PackageInitialized, since: time.Now().UTC(), unpublished: true}
}

// Header returns the package's header with the bytes moved so far.
func (p *Package) Header() wire.PackageHeader {
	if p == nil {
		return wire.PackageHeader{}
	}
	p.job.mu.Lock()
	defer p.job.unlock()
	return p.header
}

// Item sets the file or page that is being worked on. The package's next event
// carries it. Over 256 bytes, its beginning is cut off.
func (p *Package) Item(item string) {
	if p == nil {
		return
	}
	p.job.mu.Lock()
	defer p.job.unlock()
	p.body.Item = clipFront(item, maxLogText)
}

// Expect sets the files and the bytes of the package, as far as they are known
// by now. A zero leaves the number as it is, so neither number can be lowered to 0.
// When the package has arrived, only the files can still be set. The package's next
// event carries them.
func (p *Package) Expect(files int, bytes int64) {
	if p == nil {
		return
	}
	p.job.mu.Lock()
	defer p.job.unlock()
	switch {
	case files < 0 || bytes < 0:
		p.misused(negativeCount)
	case p.job.ended && !p.over():
	case p.over() || p.brokenOff != nil || bytes > 0 && !p.moving():
		p.misused(movedTooLate)
	default:
		setKnown(&p.body.Files, files)
		setKnown(&p.header.FileSize, bytes)
		p.countThousandths()
	}
}

// setKnown sets a number unless its new value is zero, which means not known.
func setKnown[T int | int64](n *T, value T) {
	if value != 0 {
		*n = value
	}
}

// Moved adds n bytes that have left the source and arrived at the destination,
// and publishes Transferring, at most once in Config.ProgressInterval. It is
// Sent and Received in one.
func (p *Package) Moved(n int64) { p.add(n, n) }

// Sent adds n bytes that have left the source, and publishes as Moved does.
func (p *Package) Sent(n int64) { p.add(n, 0) }

// Received adds n bytes that have arrived at the destination, and publishes as
// Moved does.
func (p *Package) Received(n int64) { p.add(0, n) }

func (p *Package) add(sent, received int64) {
	if p == nil {
		return
	}
	j, h := p.job, &p.header
	j.mu.Lock()
	defer j.unlock()
	switch {
	case j.ended && !p.over():
		return // another goroutine has ended the run
	case !p.moving():
		p.misused(movedTooLate)
		return
	case sent < 0 || received < 0 || sent > math.MaxInt64-h.SizeOfSentData || received > j.bytesLeft():
		p.misused(negativeCount)
		return
	}
	h.SizeOfSentData += sent
	h.SizeOfReceivedData += received
	j.openBytes += received
	p.countThousandths()
	p.transferring()
}

// Retry takes back n bytes that were moved and will be moved again, counts a
// retry, and adds a warning to the log: that item is moved again, because of
// why. It publishes as Moved does. If fewer bytes were moved, it takes back these.
// After Transferred, n must be 0.
func (p *Package) Retry(n int64, item string, why error) {
	if p == nil {
		return
	}
	r := causeOf(why)
	j, h := p.job, &p.header
	j.mu.Lock()
	defer j.unlock()
	switch {
	case j.ended && !p.over():
		return
	case p.over() || p.brokenOff != nil || n > 0 && !p.moving():
		p.misused(movedTooLate)
		return
	case n < 0:
		p.misused(negativeCount)
		return
	case n > max(h.SizeOfSentData, h.SizeOfReceivedData):
		p.misused(tooMuchBack)
	}
	back := min(n, h.SizeOfReceivedData)
	h.SizeOfSentData -= min(n, h.SizeOfSentData)
	h.SizeOfReceivedData -= back
	j.openBytes -= back
	p.countThousandths()
	j.progress.Retries++
	j.logLocked(wire.SeverityWarning, item, "trying again: "+r.text)
	if p.moving() {
		p.transferring()
	}
}

// countThousandths brings the job's openThousandths up to date. mu is held.
func (p *Package) countThousandths() {
	if p.job.progress.BytesTotal > 0 || p.header.FileSize == 0 {
		return
	}
	now := int(min(1000, 1000*float64(p.header.SizeOfReceivedData)/float64(p.header.FileSize)))
	p.job.openThousandths += now - p.thousandths
	p.thousandths = now
}

// transferring publishes how many bytes have moved, at most once in
// Config.ProgressInterval. mu is held.
func (p *Package) transferring() {
	j := p.job
	if j.unpublished || p.unpublished {
		p.state = wire.Transferring
		return
	}
	if !p.lastTransferring.IsZero() && time.Since(p.lastTransferring) < j.srv.cfg.ProgressInterval {
		return
	}
	p.lastTransferring = time.Now()
	if err := j.publish(wire.Status{State: wire.Transferring, SentTime: p.since}, p); err != nil {
		j.refused("momserver: progress is not published", err)
		return
	}
	p.state = wire.Transferring
}

// Transferred publishes that all bytes of the package have arrived.
func (p *Package) Transferred() error {
	if p == nil {
		return nil
	}
	p.job.mu.Lock()
	defer p.job.unlock()
	return p.transferred()
}

func (p *Package) transferred() error {
	if err := p.check(wire.Transferred); err != nil {
		return err
	}
	return p.transition(wire.Status{State: wire.Transferred}, func() {})
}

// Complete publishes PackageCompleted: the package has been imported. The log of
// the event has a warning if the package moved more or less than its FileSize.
func (p *Package) Complete() error {
	if p == nil {
		return nil
	}
	p.job.mu.Lock()
	defer p.job.unlock()
	return p.complete()
}

func (p *Package) complete() error {
	if err := p.check(wire.PackageCompleted); err != nil {
		return err
	}
	j, h := p.job, &p.header
	return p.transition(wire.Status{State: wire.PackageCompleted}, func() {
		j.progress.PackagesDone++
		j.progress.FilesDone += min(p.body.Files, math.MaxInt-j.progress.FilesDone)
		j.progress.BytesDone += h.SizeOfReceivedData
		p.close()
		if h.FileSize > 0 && h.SizeOfReceivedData != h.FileSize && !j.init.DryRun {
			j.differing++
			j.logLocked(wire.SeverityWarning, h.TargetFilePath, fmt.Sprintf("package %d moved %d of %d bytes", h.Number, h.SizeOfReceivedData, h.FileSize))
		}
	})
}

// finish publishes Transferred and Complete, as far as the package has not come
// there.
func (p *Package) finish() error {
	p.job.mu.Lock()
	defer p.job.unlock()
	if p.state.MayBecome(wire.Transferred) {
		if err := p.transferred(); err != nil {
			return err
		}
	}
	if p.over() || p.brokenOff != nil {
		return nil
	}
	return p.complete()
}

// Warn adds a warning about item to the run's log, as [Job.Warn] does.
func (p *Package) Warn(item, message string) {
	if p != nil {
		p.job.Warn(item, message)
	}
}

// Fail ends the package with TransferringError, or with ImportingError if all
// its bytes have arrived. It ends the run too, unless the run continues on
// error. The log of the event has the text of why.
//
// If why wraps context.Canceled, the package was broken off on purpose. The run
// then ends as Cancelled. If the run continues on error, nothing is published,
// because what cancelled the package is about to end the run as well. If the run
// goes on after all, with another package or to its Complete, the package is
// failed at that moment.
func (p *Package) Fail(why error) error { return p.FailItem("", why) }

// FailItem is Fail, and the log names item, the file or page at fault.
func (p *Package) FailItem(item string, why error) error {
	if p == nil {
		return nil
	}
	r := causeOf(why)
	p.job.mu.Lock()
	defer p.job.unlock()
	if err := p.check(p.errorState()); err != nil {
		return err
	}
	if r.outcome == wire.Cancelled && p.job.init.ContinueOnError {
		p.brokenOff, p.brokenOffItem = &r, item
		if !p.unpublished {
			p.job.brokenOff++
		}
		return nil
	}
	return p.fail(item, r)
}

// errorState returns the state in which a failure now ends the package.
func (p *Package) errorState() wire.State {
	if p.state == wire.Transferred {
		return wire.ImportingError
	}
	return wire.TransferringError
}

// fail ends the package, and the run unless it continues on error. mu is held.
func (p *Package) fail(item string, why cause) error {
	j := p.job
	ends := !j.init.ContinueOnError
	if err := p.transition(wire.Status{State: p.errorState(), Outcome: why.outcome}, func() {
		switch {
		case ends && p.unpublished: // failLocked adds it
		case ends:
			j.logEnd(p, item, why)
		default:
			j.logLocked(wire.SeverityError, item, why.text)
		}
		if why.outcome != wire.Cancelled { // a package that was cancelled counts as left open
			j.progress.PackagesFailed++
			j.packageFailure = cmp.Or(j.packageFailure, &why)
			p.close()
		}
	}); err != nil {
		return err
	}
	switch {
	case ends && p.unpublished:
		return j.failLocked(p, item, why)
	case ends:
		j.setFailure(why)
	}
	return nil
}

// close takes what the package has counted as open out of the account. mu is
// held.
func (p *Package) close() {
	p.job.openBytes -= p.header.SizeOfReceivedData
	p.job.openThousandths -= p.thousandths
	if p.brokenOff != nil && !p.unpublished {
		p.job.brokenOff--
	}
}

// over reports whether the package has ended. mu is held.
func (p *Package) over() bool {
	return p.state == wire.PackageCompleted || p.state.IsError()
}

// moving reports whether bytes of the package may move. mu is held.
func (p *Package) moving() bool {
	return p.state <= wire.Transferring && p.brokenOff == nil && !p.job.ended
}

// ended reports whether the package or its run has ended.
func (p *Package) ended() bool {
	p.job.mu.Lock()
	defer p.job.unlock()
	return p.over() || p.brokenOff != nil || p.job.ended
}

func (p *Package) currentItem() string {
	p.job.mu.Lock()
	defer p.job.unlock()
	return p.body.Item
}

// misused counts a misuse of the package. mu is held.
func (p *Package) misused(kind misuse) {
	p.job.count(kind, "package", p.header.Number)
}

// check returns an error unless the package may become next. mu is held.
func (p *Package) check(next wire.State) error {
	switch {
	case p.job.ended:
		return p.job.errEnded(next)
	case p.brokenOff != nil:
		return wire.Errorf(wire.BadTransition, "momserver: package %d of job %q was cancelled and cannot become %v", p.header.Number, p.job.init.Name, next)
	case p.state.MayBecome(next):
		return nil
	}
	return wire.Errorf(wire.BadTransition, "momserver: package %d of job %q is %v and cannot become %v", p.header.Number, p.job.init.Name, p.state, next)
}

// transition changes the job's account by calling change, and publishes the
// package's new state. If the event is refused, the account and the state stay
// as they were. mu is held.
func (p *Package) transition(status wire.Status, change func()) error {
	status.SentTime = p.since
	if err := p.job.change(status, p, change); err != nil {
		return err
	}
	p.state = status.State
	p.since = time.Now().UTC()
	if p.over() {
		delete(p.job.open, p)
	}
	return nil
}
