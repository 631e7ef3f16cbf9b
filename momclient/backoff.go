package momclient

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"
)

// firstDelay is the longest wait before the first attempt after a loss, unless
// the server asked for a longer one.
const firstDelay = 200 * time.Millisecond

// backoff returns the wait before the n-th attempt. The wait doubles from
// firstDelay up to period. A random part, at most half of it, is taken off, so
// that the clients of a restarted server do not all come at once.
func backoff(n int, period time.Duration, random *rand.Rand) time.Duration {
	d := min(firstDelay<<min(n-1, 20), period)
	return d - time.Duration(random.Int64N(int64(d/2)+1))
}

// newRandom returns the random numbers for the waits of a client. Their seed is
// the client's name and the time, and not the runtime's random state, so that a
// test with a simulated clock can be repeated.
func newRandom(name string) *rand.Rand {
	h := fnv.New64a()
	io.WriteString(h, name)
	return rand.New(rand.NewPCG(h.Sum64(), uint64(time.Now().UnixNano())))
}
