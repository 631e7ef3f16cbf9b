//go:build !unix

package attack

import "time"

var began = time.Now()

// cpuTime returns the time that has passed: more than the processors gave.
func cpuTime() time.Duration { return time.Since(began) }
