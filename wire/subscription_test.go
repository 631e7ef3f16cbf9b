package wire

import "testing"

func TestFromNumbers(t *testing.T) {
	for from, number := range map[From]uint8{FromNow: 0, FromOldest: 1, FromCursor: 2} {
		if uint8(from) != number {
			t.Errorf("From %d; the wire's is %d", from, number)
		}
	}
}
