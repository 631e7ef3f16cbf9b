package protocol

import (
	"cmp"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// definition.go holds the definitions that the sending end keeps for each run, and
// records which of them a receiver has been sent.

// Definition is what events of a run or of a package have in common, encoded. It
// does not change, apart from the count of its holders.
type Definition struct {
	number uint64
	run    *Definition // the run's; in a run's definition, that itself
	bytes  []byte

	holders int // see Retain

	// The content, to compare with the next event.
	said   runDefinition
	header *wire.PackageHeader
	body   *wire.PackageBody
}

// Retain counts a holder of d, and returns how many bytes of definitions it is the
// first to hold: those of d, and of the run if d is of a package. The caller keeps
// other goroutines from calling Retain and Release of any definition.
func (d *Definition) Retain() (bytes int) {
	if d.holders++; d.holders > 1 {
		return 0
	}
	bytes = len(d.bytes)
	if d.run != d {
		bytes += d.run.Retain()
	}
	return bytes
}

// Release undoes a Retain, and returns how many bytes nobody holds any more.
func (d *Definition) Release() (bytes int) {
	if d.holders--; d.holders > 0 {
		return 0
	}
	bytes = len(d.bytes)
	if d.run != d {
		bytes += d.run.Release()
	}
	return bytes
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
	packages map[int]*Definition // of the unfinished packages of run, by number
	bytes    int                 // of packages
}

// find returns the definitions of the run and of the package that fit ev; nil for
// one that does not exist yet.
func (c *RunDefs) find(ev *wire.Event) (run, pack *Definition) {
	if c.run == nil || !c.run.fitsRun(ev) {
		return nil, nil
	}
	if d := c.packages[packageNumber(ev)]; d != nil && d.fitsPackage(ev) {
		return c.run, d
	}
	return c.run, nil
}

// keep keeps the definitions with which ev was encoded. It forgets the definition
// of a package when the package ends, and those of all packages if they are too
// many or too long together.
func (c *RunDefs) keep(ev *wire.Event, run, pack *Definition) {
	if c.run != run {
		*c = RunDefs{run: run}
	}
	if pack == nil {
		return
	}
	number := packageNumber(ev)
	before := c.packages[number]
	if state := ev.Data.Status.State; before != pack || state == wire.PackageCompleted || state.IsError() {
		if before != nil {
			delete(c.packages, number)
			c.bytes -= len(before.bytes)
		}
		if state == wire.PackageCompleted || state.IsError() {
			return
		}
		if c.packages == nil || (definitionCount{len(c.packages), c.bytes}).exceeds(MostDefinitions(), len(pack.bytes)) {
			c.packages, c.bytes = make(map[int]*Definition), 0
		}
		c.packages[number] = pack
		c.bytes += len(pack.bytes)
	}
}

// packageNumber returns the number of the package of ev, or 0.
func packageNumber(ev *wire.Event) int {
	if h := ev.Data.Header; h != nil {
		return h.Number
	}
	return 0
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

// DefinitionBounds bound the definitions that a receiver of events keeps. They hold
// for their sum, except that a receiver keeps the newest one however long it is. Zeros
// stand for 4,096 definitions and 512 KiB.
type DefinitionBounds struct {
	Number uint32
	Bytes  uint32 // as encoded
}

// MostDefinitions returns the largest bounds that a server takes into account. To a
// subscriber with these bounds, a server sends each definition of 100,000 packages of
// 10,000 runs once, even if the packages take turns. A hostile server can make a
// subscriber hold up to 80 MiB for its definitions.
func MostDefinitions() DefinitionBounds { return DefinitionBounds{128 << 10, 16 << 20} }

// orDefault returns b with the defaults for zeros.
func (b DefinitionBounds) orDefault() DefinitionBounds {
	return DefinitionBounds{cmp.Or(b.Number, 4096), cmp.Or(b.Bytes, 512<<10)}
}

// maxDefinition bounds a single definition, as encoded. It is the longest event that
// any server sends.
const maxDefinition = 1 << 20

// definitionCount counts definitions.
type definitionCount struct{ number, bytes int }

// exceeds reports whether one more definition of a length would exceed the bounds.
func (c definitionCount) exceeds(b DefinitionBounds, bytes int) bool {
	return c.number >= int(b.Number) || c.bytes+bytes > int(b.Bytes)
}

// add counts one more definition.
func (c *definitionCount) add(bytes int) {
	c.number++
	c.bytes += bytes
}

// SentDefs are the definitions that a receiver of events has been sent. If one more
// would exceed the receiver's bounds, SentDefs forgets all of them, and Append returns
// again those that are needed. The zero value has none, and is for a receiver with the
// default bounds. It is not safe for concurrent use.
type SentDefs struct {
	last   *Definition       // the argument of the last Append
	sent   map[uint64]uint64 // a bit for each number, 64 to an element
	count  definitionCount   // since all were forgotten
	bounds DefinitionBounds  // of the receiver
}

// maxSentElements bounds SentDefs.sent, and so its memory. The numbers of the
// definitions may be far apart if the receiver takes the events of a few jobs.
const maxSentElements = 4096

// NewSentDefs returns SentDefs of a receiver with the bounds, but the defaults at
// least and MostDefinitions at most.
func NewSentDefs(b DefinitionBounds) SentDefs {
	least, most := DefinitionBounds{}.orDefault(), MostDefinitions()
	return SentDefs{bounds: DefinitionBounds{
		min(max(b.Number, least.Number), most.Number), min(max(b.Bytes, least.Bytes), most.Bytes),
	}}
}

// Append appends to dst the definitions that the receiver needs for d and lacks,
// and records that they were sent.
func (k *SentDefs) Append(dst []byte, d *Definition) []byte {
	if d == k.last {
		return dst
	}
	k.last = d
	if k.has(d) {
		return dst
	}
	if d.run != d && !k.has(d.run) {
		dst = k.send(dst, d.run)
	}
	return k.send(dst, d)
}

func (k *SentDefs) has(d *Definition) bool {
	return k.sent[d.number/64]&(1<<(d.number%64)) != 0
}

func (k *SentDefs) send(dst []byte, d *Definition) []byte {
	if k.sent == nil {
		k.sent = make(map[uint64]uint64)
	}
	if k.count.exceeds(k.bounds.orDefault(), len(d.bytes)) || len(k.sent) >= maxSentElements {
		clear(k.sent)
		k.count = definitionCount{}
	}
	k.count.add(len(d.bytes))
	k.sent[d.number/64] |= 1 << (d.number % 64)
	return append(dst, d.bytes...)
}
