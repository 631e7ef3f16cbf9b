//go:build race

package attack

// raceFactor multiplies the limits of [Within] under the race detector, which is
// slow and makes pools discard values.
const raceFactor = 20
