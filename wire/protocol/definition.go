package protocol

import (
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// definition.go holds the definitions that the sending end keeps for each run.

// Definition is what events of a run or of a package have in common, encoded. It is
// immutable.
type Definition struct {
	number uint64
	run    *Definition // the run's; in a run's definition, that itself
	bytes  []byte

	// The content, to compare with the next event.
	said   runDefinition
	header *wire.PackageHeader
	body   *wire.PackageBody
}

// JobID returns the JobID of the events that d completes.
func (d *Definition) JobID() uuid.UUID { return d.run.said.JobID }

// RunID returns the RunID of the events that d completes.
func (d *Definition) RunID() uuid.UUID { return d.run.said.RunID }

// Name returns the name of their job, "" if the events do not hold it.
func (d *Definition) Name() string {
	if init := d.run.said.Initialize; init != nil {
		return init.Name
	}
	return ""
}

// RunDefs are the latest definitions of one run, which an [EventEncoder] uses again.
// The zero value has none.
type RunDefs struct {
	run      *Definition
	packages []*Definition // of run, in the order of their definition
}

// maxPackageDefs bounds the package definitions in RunDefs. It is more than the
// number of packages that move at the same time.
const maxPackageDefs = 16

// find returns the definitions of the run and of the package that fit ev; nil for
// one that does not exist yet.
func (c *RunDefs) find(ev *wire.Event) (run, pack *Definition) {
	if c.run == nil || !c.run.fitsRun(ev) {
		return nil, nil
	}
	for i := len(c.packages) - 1; i >= 0; i-- {
		if c.packages[i].fitsPackage(ev) {
			return c.run, c.packages[i]
		}
	}
	return c.run, nil
}

// keep keeps the definitions with which an event was encoded.
func (c *RunDefs) keep(run, pack *Definition) {
	if c.run != run {
		c.run, c.packages = run, nil
	}
	if pack == nil || slices.Contains(c.packages, pack) {
		return
	}
	if len(c.packages) == maxPackageDefs {
		c.packages = slices.Delete(c.packages, 0, 1)
	}
	c.packages = append(c.packages, pack)
}

func (d *Definition) fitsRun(ev *wire.Event) bool {
	return ev.JobID == d.said.JobID && ev.RunID == d.said.RunID && same(ev.Data.Initialize, d.said.Initialize)
}

func (d *Definition) fitsPackage(ev *wire.Event) bool {
	return same(constHeader(ev.Data.Header), d.header) && same(constBody(ev.Data.Body), d.body)
}

// same reports whether a and b point to equal values, or both are nil.
func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// constHeader returns h without the fields that change while the package moves.
func constHeader(h *wire.PackageHeader) *wire.PackageHeader {
	if h == nil {
		return nil
	}
	c := *h
	c.SizeOfSentData, c.SizeOfReceivedData = 0, 0
	return &c
}

func constBody(b *wire.PackageBody) *wire.PackageBody {
	if b == nil {
		return nil
	}
	c := *b
	c.Item = ""
	return &c
}
