package momserver

import (
	"math"
	"time"

	"mom.internal/wire"
)

// jobprogress.go holds what a run reports besides its packages, most of it before
// the first one: while it works out what there is to do.

// Expect sets the totals of the run, as far as they are known by now: packages,
// files in them, and bytes. A zero leaves the total as it is. The next event
// carries the totals. Before the first package, Expect publishes JobInitialized
// again, at most once in Config.ProgressInterval.
func (j *Job) Expect(packages, files int, bytes int64) {
	if !j.lock() {
		return
	}
	defer j.unlock()
	if packages < 0 || files < 0 || bytes < 0 {
		j.misused(negativeCount)
		return
	}
	p := &j.progress
	setKnown(&p.PackagesTotal, packages)
	setKnown(&p.FilesTotal, files)
	setKnown(&p.BytesTotal, bytes)
	j.repeatInitialized()
}

// Item sets the file or page that the run works on before its first package,
// for example while it scans or compares, and publishes as Expect does. Over
// 256 bytes, its beginning is cut off. After the first package it has no effect,
// because each package has an Item of its own.
func (j *Job) Item(item string) {
	if j.lock() {
		defer j.unlock()
		j.item = clipFront(item, maxLogText)
		j.repeatInitialized()
	}
}

// Checked adds n files that were compared or verified, and publishes as Expect
// does.
func (j *Job) Checked(n int) { j.addFiles(n, func(p *wire.Progress) *int { return &p.FilesChecked }) }

// Skipped adds n files that need not be moved, and publishes as Expect does.
func (j *Job) Skipped(n int) { j.addFiles(n, func(p *wire.Progress) *int { return &p.FilesSkipped }) }

// Deleted adds n files that were deleted at the destination, and publishes as
// Expect does.
func (j *Job) Deleted(n int) { j.addFiles(n, func(p *wire.Progress) *int { return &p.FilesDeleted }) }

func (j *Job) addFiles(n int, count func(*wire.Progress) *int) {
	if !j.lock() {
		return
	}
	defer j.unlock()
	files := count(&j.progress)
	if n < 0 || n > math.MaxInt-*files {
		j.misused(negativeCount)
		return
	}
	*files += n
	j.repeatInitialized()
}

// lock locks mu and returns true if the run can take progress. Otherwise it
// returns false, without the lock: if j is nil, or if the run has ended.
func (j *Job) lock() bool {
	if j == nil {
		return false
	}
	j.mu.Lock()
	if !j.ended {
		return true
	}
	if j.failure == nil {
		j.misused(afterComplete) // after a failure, other goroutines may still be at work
	}
	j.unlock()
	return false
}

// repeatInitialized publishes JobInitialized again, unless a package has been
// started or ProgressInterval has not passed. mu is held.
func (j *Job) repeatInitialized() {
	if j.started > 0 || j.unpublished || time.Since(j.initialized) < j.srv.cfg.ProgressInterval {
		return
	}
	j.initialized = time.Now()
	if err := j.publish(wire.Status{State: wire.JobInitialized, SentTime: j.began}, nil); err != nil {
		j.refused("momserver: progress is not published", err)
	}
}

// misused counts a misuse of the job. mu is held.
func (j *Job) misused(kind misuse) { j.count(kind) }

// count counts a misuse, and logs the first of its kind. mu is held.
func (j *Job) count(kind misuse, args ...any) {
	if j.srv != nil && j.srv.misuses.add(kind) {
		j.later(func() {
			j.srv.cfg.Logger.Warn("momserver: misuse of a Job or a Package is ignored; more of this kind is only counted",
				append([]any{"kind", string(kind), "job", j.jobID, "run", j.runID}, args...)...)
		})
	}
}

// refused counts and logs that an event was refused. mu is held.
func (j *Job) refused(message string, err error) {
	j.srv.refused.Add(1)
	j.later(func() { j.srv.logRefused(message, err, "job", j.jobID, "run", j.runID) })
}
