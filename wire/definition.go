package wire

import "github.com/google/uuid"

// definition.go holds what the sending end keeps of definitions: which there
// are of a run, and which of them a receiver has been sent.

// Definition is what events of a run or of a package have in common, encoded.
// It never changes.
type Definition struct {
	number uint64
	run    *Definition // of a package's; nil for a run's
	bytes  []byte

	// What it says, to see whether it still fits.
	said   runDefinition
	header *PackageHeader
	body   *PackageBody
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

// Common is what an [EventEncoder] keeps of one run: the latest definitions.
// Its zero value is ready.
type Common struct {
	run      *Definition
	packages []*Definition // of run; the one defined last stands last
}

// maxCommon bounds the packages that Common keeps: more than move at once.
const maxCommon = 16

// find returns the run's definition and the package's that fit ev, nil for
// what must be defined anew.
func (c *Common) find(ev *Event) (run, pack *Definition) {
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
func (c *Common) keep(run, pack *Definition) {
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
	if len(c.packages) == maxCommon {
		c.packages = append(c.packages[:0], c.packages[1:]...)
	}
	c.packages = append(c.packages, pack)
}

func (d *Definition) fitsRun(ev *Event) bool {
	init, said := ev.Data.Initialize, d.said.Initialize
	if ev.JobID != d.said.JobID || ev.RunID != d.said.RunID || (init == nil) != (said == nil) {
		return false
	}
	return init == nil || *init == *said
}

func (d *Definition) fitsPackage(ev *Event) bool {
	h, b := ev.Data.Header, ev.Data.Body
	if (h == nil) != (d.header == nil) || (b == nil) != (d.body == nil) {
		return false
	}
	return (h == nil || constHeader(h) == *d.header) && (b == nil || constBody(b) == *d.body)
}

// constHeader returns what of a header does not change within its package.
func constHeader(h *PackageHeader) PackageHeader {
	c := *h
	c.SizeOfSentData, c.SizeOfReceivedData = 0, 0
	return c
}

func constBody(b *PackageBody) PackageBody {
	c := *b
	c.Item = ""
	return c
}

// Known is which definitions a receiver of events has. Its zero value knows
// none. It is not safe for concurrent use.
type Known struct {
	last *Definition // told or used last
	told memo[struct{}]
}

// Append appends the parts of d that the receiver lacks, and records that they
// were sent.
func (k *Known) Append(dst []byte, d *Definition) []byte {
	if d == k.last {
		return dst
	}
	k.last = d
	if _, ok := k.told.get(d.number); ok {
		return dst
	}
	if d.run != nil {
		if _, ok := k.told.get(d.run.number); !ok {
			dst = append(dst, d.run.bytes...)
			k.told.put(d.run.number, struct{}{})
		}
	}
	k.told.put(d.number, struct{}{})
	return append(dst, d.bytes...)
}

// maxDefinitions is how many definitions a receiver keeps: the latest. Both
// ends forget the oldest at the same time, and without a word.
const maxDefinitions = 512

// memo keeps the latest maxDefinitions values, by their numbers.
type memo[T any] struct {
	values map[uint64]T
	order  []uint64 // of values, a ring once it is full
	oldest int
}

func (m *memo[T]) get(number uint64) (T, bool) {
	v, ok := m.values[number]
	return v, ok
}

// put adds a value, in place of the oldest where there is no room.
func (m *memo[T]) put(number uint64, v T) {
	if m.values == nil {
		m.values = make(map[uint64]T)
	}
	if _, ok := m.values[number]; !ok {
		if len(m.order) < maxDefinitions {
			m.order = append(m.order, number)
		} else {
			delete(m.values, m.order[m.oldest])
			m.order[m.oldest] = number
			m.oldest = (m.oldest + 1) % maxDefinitions
		}
	}
	m.values[number] = v
}
