package gob

import (
	"math"
	"testing"
)

// TestGobReader reads numbers and strings, and is at the end after a fault.
func TestGobReader(t *testing.T) {
	for in, want := range map[string]uint64{
		"\x00": 0, "\x7f": 127, "\xff\x80": 128, "\xfe\x01\x00": 256, "\xfd\x01\x00\x00": 1 << 16,
		"\xf8\xff\xff\xff\xff\xff\xff\xff\xff": math.MaxUint64, "\xf9\x01\x00\x00\x00\x00\x00\x00": 1 << 48,
		"\xff\x80\x01\x02\x03\x04\x05\x06":     128, // seven bytes behind the count: read one by one
		"\xff\x80\x01\x02\x03\x04\x05\x06\x07": 128,
	} {
		r := reader{b: []byte(in)}
		if got := r.uint(); got != want || r.bad {
			t.Errorf("% x is %d, bad %v; want %d", in, got, r.bad, want)
		}
	}
	for _, in := range []string{"", "\xff", "\xfe\x01", "\xf8\x01\x02\x03\x04\x05\x06\x07", "\xf7\x01\x02\x03\x04\x05\x06\x07\x08\x09", "\x80\x01"} {
		r := reader{b: []byte(in)}
		if got := r.uint(); got != 0 || !r.bad || r.left() != 0 {
			t.Errorf("% x is %d, bad %v, with %d bytes left", in, got, r.bad, r.left())
		}
	}
	for in, want := range map[string]int64{"\x00": 0, "\x01": -1, "\x02": 1, "\x03": -2, "\xf8\xff\xff\xff\xff\xff\xff\xff\xff": math.MinInt64, "\xf8\xff\xff\xff\xff\xff\xff\xff\xfe": math.MaxInt64} {
		r := reader{b: []byte(in)}
		if got := r.int(); got != want || r.bad {
			t.Errorf("% x is %d, bad %v; want %d", in, got, r.bad, want)
		}
	}
	r := reader{b: []byte("\x03abc\x00\x04abc")}
	if a, b := r.string(), r.string(); string(a) != "abc" || cap(a) != 3 || len(b) != 0 || r.bad {
		t.Errorf("%q and %q, bad %v", a, b, r.bad)
	}
	if got := r.string(); got != nil || !r.bad || r.left() != 0 {
		t.Errorf("%q, of a string that is cut off", got)
	}
}
