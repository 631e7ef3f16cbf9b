package jobs

import (
	"cmp"
	"container/list"
	"slices"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// pack is one package of a run.
type pack struct {
	run        *run
	place      *list.Element // in the list of the tracker
	prev, next *pack         // in the list of the run

	header wire.PackageHeader // texts cut
	body   wire.PackageBody
	state  wire.State
	steps  []Step
}

// Step is the change of a package to a state, from the SentTime of its first
// event to the ReceivedTime of its last.
type Step struct {
	State wire.State `json:"state"`
	Start time.Time  `json:"start,omitzero"`
	End   time.Time  `json:"end"`
}

// packed folds an event into its package. It adds the package if it is new. mu
// is held.
func (t *Tracker) packed(r *run, e *wire.Event, at time.Time) {
	p := r.packages[e.Data.Header.Number]
	if p == nil {
		p = &pack{run: r}
		p.place = t.packages.PushBack(p)
		r.link(e.Data.Header.Number, p)
		if len(r.packages) > MaxPackages {
			t.forgetPackage(r.toForget())
		}
		if t.packages.Len() > MaxAllPackages {
			t.forgetPackage(t.packages.Front().Value.(*pack))
		}
	}
	p.header = *e.Data.Header
	p.header.TargetFilePath = duplex.Clip(p.header.TargetFilePath, MaxText)
	if e.Data.Body != nil {
		p.body = *e.Data.Body
		p.body.Item = duplex.Clip(p.body.Item, MaxText)
	}
	p.step(&e.Data.Status, at)
}

// step moves the package to the state of an event. A state has one step,
// however many events it has.
func (p *pack) step(s *wire.Status, at time.Time) {
	p.state = s.State
	i := slices.IndexFunc(p.steps, func(step Step) bool { return step.State == s.State })
	if i >= 0 {
		p.steps[i].End = at
	} else if s.State.Valid() {
		p.steps = append(p.steps, Step{State: s.State, Start: sane(s.SentTime), End: at})
	}
}

// open reports whether neither the package nor its run has ended.
func (p *pack) open() bool {
	return p.run.running() && p.state != wire.PackageCompleted && !p.state.IsError()
}

// The number of packages that toForget spares, so that people see the failed and the
// slowest ones of a run with many packages.
const (
	sparedFailed = 100
	sparedSlow   = 20
)

// toForget returns the package to forget. Of the packages that have ended, oldest first,
// it passes over the first sparedFailed that failed. Of the next sparedSlow+1, it returns
// the one that took the least time, so that the slowest ones stay.
func (r *run) toForget() *pack {
	var quickest *pack
	failed, ended := 0, 0
	for p := r.first; p != nil && ended <= sparedSlow; p = p.next {
		switch {
		case p.state.IsError() && failed < sparedFailed:
			failed++
		case !p.open():
			if ended++; quickest == nil || p.took() < quickest.took() {
				quickest = p
			}
		}
	}
	return cmp.Or(quickest, r.first)
}

// took returns the time from the first change of the package to its last.
func (p *pack) took() time.Duration {
	if len(p.steps) == 0 {
		return 0
	}
	first := cmp.Or(p.steps[0].Start, p.steps[0].End)
	return p.steps[len(p.steps)-1].End.Sub(first)
}

func (r *run) link(number int, p *pack) {
	r.packages[number] = p
	if p.prev = r.last; r.last == nil {
		r.first = p
	} else {
		r.last.next = p
	}
	r.last = p
}

// forgetPackage removes the package from its run. mu is held.
func (t *Tracker) forgetPackage(p *pack) {
	t.packages.Remove(p.place)
	r := p.run
	delete(r.packages, p.header.Number)
	r.forgot++
	if p.prev == nil {
		r.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		r.last = p.prev
	} else {
		p.next.prev = p.prev
	}
}
