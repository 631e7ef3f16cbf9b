//go:build !race

package attack

const raceFactor = 1
