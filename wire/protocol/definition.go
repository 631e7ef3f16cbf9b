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
	run    *Definition // the run's, in the definition of a package; else nil
	bytes  []byte

	// The content, to compare with the next event.
	said   runDefinition
	header *wire.PackageHeader
	body   *wire.PackageBody
}

// JobID returns the JobID of the events that d completes.
func (d *Definition) JobID() uuid.UUID { return d.ofRun().said.JobID }

// RunID returns the RunID of the events that d completes.
func (d *Definition) RunID() uuid.UUID { return d.ofRun().said.RunID }

// Name returns the name of their job, "" if the events do not hold it.
func (d *Definition) Name() string {
	if init := d.ofRun().said.Initialize; init != nil {
		return init.Name
	}
	return ""
}

func (d *Definition) ofRun() *Definition {
	if d.run != nil {
		return d.run
	}
	return d
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
	init, said := ev.Data.Initialize, d.said.Initialize
	if ev.JobID != d.said.JobID || ev.RunID != d.said.RunID || (init == nil) != (said == nil) {
		return false
	}
	return init == nil || *init == *said
}

func (d *Definition) fitsPackage(ev *wire.Event) bool {
	h, b := ev.Data.Header, ev.Data.Body
	if (h == nil) != (d.header == nil) || (b == nil) != (d.body == nil) {
		return false
	}
	return (h == nil || constHeader(h) == *d.header) && (b == nil || constBody(b) == *d.body)
}

// constHeader returns h without the fields that change while the package moves.
func constHeader(h *wire.PackageHeader) wire.PackageHeader {
	c := *h
	c.SizeOfSentData, c.SizeOfReceivedData = 0, 0
	return c
}

func constBody(b *wire.PackageBody) wire.PackageBody {
	c := *b
	c.Item = ""
	return c
}
