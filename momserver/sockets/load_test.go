package sockets_test

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"mom.internal/wire/wiretest/invariant"
)

// load is what this process holds. It means something where no other test runs
// meanwhile.
type load struct{ goroutines, descriptors int }

// loaded looks. Where the system does not list descriptors there are none.
func loaded() load {
	open, _ := os.ReadDir("/proc/self/fd") // with its own
	return load{runtime.NumGoroutine(), len(open)}
}

// settles waits until this process holds what it did before the test, and the
// server's two goroutines.
func (b *bed) settles(name string) {
	b.t.Helper()
	before := b.before
	before.goroutines += 2 // Serve's, the sender's
	now := loaded()
	for deadline := time.Now().Add(hangs); now.goroutines > before.goroutines || now.descriptors > before.descriptors; now = loaded() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			b.violated(name)(invariant.Violation{Invariant: invariant.Bounded, Detail: fmt.Sprintf("%+v are left of %+v:\n%s", now, before, stacks)})
			return
		}
		time.Sleep(time.Millisecond)
	}
}
