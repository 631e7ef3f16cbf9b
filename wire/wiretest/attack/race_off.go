//go:build !race

package attack

const RaceFactor = 1
