//go:build !race

package wiretest

const raceFactor = 1
