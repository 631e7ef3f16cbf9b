package protocol

// sent.go records which definitions a receiver has been sent.

// Both ends of a stream of events keep the same definitions. If one more would
// exceed one of these bounds, they forget all earlier definitions first.
const (
	maxDefinitions     = 4096
	maxDefinitionBytes = 512 << 10 // as encoded
)

// definitionCount counts the definitions that an end keeps.
type definitionCount struct{ number, bytes int }

// add counts a definition, and reports whether to forget all earlier ones.
func (c *definitionCount) add(bytes int) (forget bool) {
	if forget = c.number == maxDefinitions || c.bytes+bytes > maxDefinitionBytes; forget {
		*c = definitionCount{}
	}
	c.number++
	c.bytes += bytes
	return forget
}

// SentDefs are the definitions that a receiver of events has been sent. The zero
// value has none. It is not safe for concurrent use.
type SentDefs struct {
	last  *Definition       // the argument of the last Append
	sent  map[uint64]uint64 // a bit for each number, 64 to an element
	count definitionCount
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
	if k.count.add(len(d.bytes)) || k.sent == nil {
		k.sent = make(map[uint64]uint64)
	}
	k.sent[d.number/64] |= 1 << (d.number % 64)
	return append(dst, d.bytes...)
}
