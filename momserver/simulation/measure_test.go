package simulation_test

import (
	"fmt"
	"regexp"
	"runtime"
	"runtime/metrics"
	"strings"

	"mom.internal/wire/wiretest/invariant"
)

// maxHeap is what a simulation may have on the heap, garbage included.
const maxHeap = 256 << 20

// heapSlack is what may be left on the heap after a simulation: pools, caches,
// and what the test keeps.
const heapSlack = 8 << 20

// measured is the memory and the goroutines of the process.
type measured struct {
	heap       uint64
	goroutines int
}

func measure() measured {
	runtime.GC()
	return measured{liveObjects(), runtime.NumGoroutine()}
}

// liveObjects returns the bytes of objects on the heap that have not been
// swept.
func liveObjects() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// check checks that all is back.
func (before measured) check(report invariant.Report) {
	now := measure()
	if now.heap > before.heap+heapSlack {
		report(invariant.Violation{Invariant: invariant.Bounded, Detail: fmt.Sprintf("%d bytes are on the heap after the end, and %d were before", now.heap, before.heap)})
	}
	if now.goroutines > before.goroutines {
		report(invariant.Violation{Invariant: invariant.Bounded, Detail: fmt.Sprintf("%d goroutines after the end, and %d before", now.goroutines, before.goroutines)})
	}
}

var inBubble = regexp.MustCompile(`synctest bubble \d+`)

// strayGoroutines returns the stacks of the goroutines of this bubble, but the
// caller's and the test's own, that are in functions of the package, "" for any.
func strayGoroutines(in string) []string {
	buf := make([]byte, 1<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	mine := inBubble.FindString(stacks[0]) + "]"
	if mine == "]" {
		panic("not in a bubble")
	}
	var left []string
	for _, stack := range stacks[1:] {
		head, _, _ := strings.Cut(stack, "\n")
		body, _, _ := strings.Cut(stack, "\ncreated by ")
		own := strings.Contains(stack, "testing/synctest.") || in != "" && strings.Contains(body, "_test.go:")
		if strings.Contains(head, mine) && strings.Contains(body, in) && !own {
			left = append(left, stack)
		}
	}
	return left
}
