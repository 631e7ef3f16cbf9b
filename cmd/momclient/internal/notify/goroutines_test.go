package notify

import (
	"testing"

	"mom.internal/wire/wiretest/source"
)

func TestGoroutinesListed(t *testing.T) { source.Goroutines(t, ".") }
