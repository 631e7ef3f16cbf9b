package protocol

// sent.go holds which definitions a receiver has.

// Both ends of a stream of events keep the same definitions. Before a definition
// is taken that would be over one of these bounds, all earlier ones are
// forgotten.
const (
	maxDefinitions     = 4096
	maxDefinitionBytes = 512 << 10 // as encoded
)

// definitionCount counts the definitions that are kept.
type definitionCount struct{ number, bytes int }

// add counts a definition, and reports whether all earlier ones are forgotten.
func (c *definitionCount) add(bytes int) (forget bool) {
	if forget = c.number == maxDefinitions || c.bytes+bytes > maxDefinitionBytes; forget {
		*c = definitionCount{}
	}
	c.number++
	c.bytes += bytes
	return forget
}

// SentDefs are the definitions that a receiver of events has. Its zero value has
// none. It is not safe for concurrent use.
type SentDefs struct {
	last  *Definition       // sent or used last
	sent  map[uint64]uint64 // 64 definitions each: a bit for each number
	count definitionCount
}

// Append appends the parts of d that the receiver lacks, and records that they
// were sent.
func (k *SentDefs) Append(dst []byte, d *Definition) []byte {
	if d == k.last {
		return dst
	}
	k.last = d
	if k.has(d) {
		return dst
	}
	if d.run != nil && !k.has(d.run) {
		dst = k.send(dst, d.run)
	}
	return k.send(dst, d)
}

func (k *SentDefs) has(d *Definition) bool {
	return k.sent[d.number/64]&(1<<(d.number%64)) != 0
}

func (k *SentDefs) send(dst []byte, d *Definition) []byte {
	if k.count.add(len(d.bytes)) || k.sent == nil {
		k.sent = make(map[uint64]uint64)
	}
	k.sent[d.number/64] |= 1 << (d.number % 64)
	return append(dst, d.bytes...)
}
