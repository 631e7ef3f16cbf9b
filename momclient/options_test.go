package momclient

import (
	"slices"
	"testing"
	"time"

	"mom.internal/wire/wiretest/source"
)

// TestJitter: the jitter takes off anything from zero to the limit, both
// included. A Period of a nanosecond has a limit of zero.
func TestJitter(t *testing.T) {
	jitter := Options{}.withDefaults().Jitter
	for limit := range time.Duration(3) {
		seen := make([]bool, limit+1)
		for range 1000 { // with a chance of less than 2^-500 that one of them is not drawn
			seen[jitter(limit)] = true
		}
		if slices.Contains(seen, false) {
			t.Errorf("up to %d: drawn were %v", limit, seen)
		}
	}
}

// TestDefaults compares the comments of Options with withDefaults.
func TestDefaults(t *testing.T) {
	source.Defaults(t, "options.go", Options.withDefaults, nil)
}
