package momclient

import (
	"testing"

	"mom.internal/wire/wiretest/source"
)

// TestDefaults compares the comments of Options with withDefaults.
func TestDefaults(t *testing.T) {
	source.Defaults(t, "options.go", Options.withDefaults, nil)
}
