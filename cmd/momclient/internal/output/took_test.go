package output

import (
	"testing"
	"time"
)

// TestTook has as many digits as help, and never says that nothing took any time.
func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Microsecond: "1ms", 40 * time.Millisecond: "40ms", 9512 * time.Millisecond: "9.5s", 185*time.Second + 300*time.Millisecond: "3m5s",
	} {
		if got := Took(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
