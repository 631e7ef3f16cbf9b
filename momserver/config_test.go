package momserver

import (
	"testing"
	"time"

	"mom.internal/wire/wiretest/source"
)

// TestShortestHeartbeat is what a greeting can say, as the comment has it.
func TestShortestHeartbeat(t *testing.T) {
	for _, d := range []time.Duration{1, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1} {
		if got := (Config{Heartbeat: d}).withDefaults().Heartbeat; got != max(d, time.Millisecond) {
			t.Errorf("%v becomes %v", d, got)
		}
	}
}

// TestDefaults compares the comments of Config with withDefaults.
func TestDefaults(t *testing.T) {
	source.Defaults(t, "config.go", Config.withDefaults, nil)
}
