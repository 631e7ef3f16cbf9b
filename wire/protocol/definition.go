package protocol

import (
	"github.com/google/uuid"

	"mom.internal/wire"
)

// definition.go holds what the sending end keeps of the definitions of a run.

// Definition is what events of a run or of a package have in common, encoded.
// It never changes.
type Definition struct {
	number uint64
	run    *Definition // of a package's; nil for a run's
	bytes  []byte

	// What it says, to see whether it still fits.
	said   runDefinition
	header *wire.PackageHeader
	body   *wire.PackageBody
}

// JobID returns the job of the events that d completes.
func (d *Definition) JobID() uuid.UUID { return d.ofRun().said.JobID }

// RunID returns their run.
func (d *Definition) RunID() uuid.UUID { return d.ofRun().said.RunID }

// Name returns the job's name, "" where they do not say it.
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

// RunDefs are the latest definitions that an [EventEncoder] keeps of one run.
// Its zero value is ready.
type RunDefs struct {
	run      *Definition
	packages []*Definition // of run; the one defined last stands last
}

// maxPackageDefs bounds the packages of which RunDefs keeps the definition: more
// than move at once.
const maxPackageDefs = 16

// find returns the run's definition and the package's that fit ev, nil for
// what must be defined anew.
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

// keep takes the definitions that ev was encoded with.
func (c *RunDefs) keep(run, pack *Definition) {
	if c.run != run {
		c.run, c.packages = run, nil
	}
	if pack == nil {
		return
	}
	for _, p := range c.packages {
		if p == pack {
			return
		}
	}
	if len(c.packages) == maxPackageDefs {
		c.packages = append(c.packages[:0], c.packages[1:]...)
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

// constHeader returns what of a header does not change within its package.
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
