package simulation_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// grid is the distance of the instants at which one actor acts. Each acts at
// an offset of its own within, so that no two ever act at once; see
// faultnet.Shape.
const grid = 100 * time.Microsecond

// actor is somebody or something that acts in a simulation: it draws from a
// stream of its own, acts at instants of its own, and leaves a trace of its
// own.
type actor struct {
	w      *simulation
	name   string
	offset time.Duration
	rand   *rand.Rand

	mu    sync.Mutex // guards trace
	trace strings.Builder
}

// actor returns the actor of that name. The order of the calls decides the
// offsets.
func (w *simulation) actor(name string) *actor {
	e := &actor{w: w, name: name, offset: time.Duration(len(w.actors)+1) * time.Microsecond, rand: rand.New(rand.NewPCG(w.seed, hash(name)))}
	w.actors = append(w.actors, e)
	return e
}

func hash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// sleep sleeps for about d, to one of the actor's instants.
func (e *actor) sleep(d time.Duration) { e.sleepUntil(time.Now().Add(d)) }

func (e *actor) sleepUntil(t time.Time) {
	now := time.Now()
	at := t.Truncate(grid).Add(e.offset)
	for !at.After(now) || at.Before(t) {
		at = at.Add(grid)
	}
	time.Sleep(at.Sub(now))
}

// rest sleeps for about d, but not past the healing.
func (e *actor) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.w.healing:
	}
	e.sleep(0)
}

// between draws a time between the two, evenly.
func (e *actor) between(from, to time.Duration) time.Duration {
	return (from + time.Duration(e.rand.Int64N(int64(to-from)+1))).Truncate(grid)
}

// odds reports true once in n times.
func (e *actor) odds(n int) bool { return e.rand.IntN(n) == 0 }

// one draws one of the choices.
func one[T any](e *actor, choices ...T) T { return choices[e.rand.IntN(len(choices))] }

// id draws a UUID.
func (e *actor) id() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(e.rand.IntN(256))
	}
	return id
}

// did adds a line to the actor's trace. Within a microsecond the library is
// free to do what it does at one instant in any order.
func (e *actor) did(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprintf(&e.trace, "%12v %s ", time.Since(e.w.began).Truncate(time.Microsecond), e.name)
	fmt.Fprintf(&e.trace, format+"\n", args...)
}
