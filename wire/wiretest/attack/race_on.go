//go:build race

package attack

// RaceFactor multiplies the limits of [Within] under the race detector, which is
// slow and makes pools discard values.
const RaceFactor = 20
