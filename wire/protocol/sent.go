package protocol

// sent.go holds which definitions a receiver of events has been sent. Both ends
// keep the same ones.

// SentDefs are the definitions that a receiver of events has. Its zero value has
// none. It is not safe for concurrent use.
type SentDefs struct {
	last *Definition // sent or used last
	sent recentByNumber[struct{}]
}

// Append appends the parts of d that the receiver lacks, and records that they
// were sent.
func (k *SentDefs) Append(dst []byte, d *Definition) []byte {
	if d == k.last {
		return dst
	}
	k.last = d
	if _, ok := k.sent.get(d.number); ok {
		return dst
	}
	if d.run != nil {
		if _, ok := k.sent.get(d.run.number); !ok {
			dst = append(dst, d.run.bytes...)
			k.sent.put(d.run.number, struct{}{})
		}
	}
	k.sent.put(d.number, struct{}{})
	return append(dst, d.bytes...)
}

// maxDefinitions is how many definitions a receiver keeps: the latest. Both
// ends forget the oldest at the same time, and without a word.
const maxDefinitions = 512

// recentByNumber keeps the latest maxDefinitions values, by their numbers.
type recentByNumber[T any] struct {
	values map[uint64]T
	order  []uint64 // of values, a ring once it is full
	oldest int
}

func (m *recentByNumber[T]) get(number uint64) (T, bool) {
	v, ok := m.values[number]
	return v, ok
}

// put adds a value, in place of the oldest where there is no room.
func (m *recentByNumber[T]) put(number uint64, v T) {
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
