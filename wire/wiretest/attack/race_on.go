//go:build race

package attack

// raceFactor is how much more all may cost under the race detector, which is
// slow, and has pools throw away what they are given.
const raceFactor = 20
