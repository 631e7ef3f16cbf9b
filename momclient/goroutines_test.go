package momclient_test

import (
	"testing"

	"mom.internal/wire/wiretest"
)

func TestGoroutinesListed(t *testing.T) { wiretest.Goroutines(t, ".") }
