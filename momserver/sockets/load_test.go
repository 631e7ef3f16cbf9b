package sockets_test

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"mom/wire/wiretest/invariant"
)

// load is what this process holds. It means something where no other test runs
// meanwhile.
type load struct{ goroutines, descriptors int }

// loaded looks. Where the system does not list descriptors there are none.
func loaded() load {
	open, _ := os.ReadDir("/proc/self/fd") // with its own
	return load{runtime.NumGoroutine(), len(open)}
}

// settles waits until it is no more than before.
func (b *bed) settles(before load) {
	b.t.Helper()
	var now load
	within := func() bool {
		now = loaded()
		return now.goroutines <= before.goroutines && now.descriptors <= before.descriptors
	}
	for deadline := time.Now().Add(20 * time.Second); !within(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			b.violated("at the end")(invariant.Violation{Invariant: invariant.Bounded, Detail: fmt.Sprintf("%+v are left of %+v:\n%s", now, before, stacks[:runtime.Stack(stacks, true)])})
			return
		}
	}
}
