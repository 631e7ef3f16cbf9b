package attack

import (
	"math/rand/v2"
	"slices"
)

// Definitions returns how many types a gob stream defines, and in how many bytes.
func Definitions(stream []byte) (types, bytes int) {
	bytes = len(stream) - len(WithoutDefinitions(stream))
	for len(stream) > 0 {
		size, n := Number(stream)
		if id, _ := Number(stream[n:]); id&1 != 0 {
			types++
		}
		stream = stream[n+int(size):]
	}
	return types, bytes
}

// Mutated returns a damaged copy of data.
func Mutated(rng *rand.Rand, data []byte) []byte {
	data = slices.Clone(data)
	for range 1 + rng.IntN(4) {
		switch i := rng.IntN(len(data)); rng.IntN(4) {
		case 0:
			data[i] = byte(rng.Uint32())
		case 1:
			data[i] ^= 1 << rng.IntN(8)
		case 2:
			data = slices.Delete(data, i, min(len(data), i+1+rng.IntN(3)))
		case 3:
			data = data[:i+1]
		}
		if len(data) == 0 {
			return []byte{0}
		}
	}
	return data
}
