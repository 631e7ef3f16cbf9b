package duplex

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestFrameBufferGrows: an announced length alone costs little, and a
// large buffer is not kept for small messages.
func TestFrameBufferGrows(t *testing.T) {
	in := new(frameBuffer)
	if _, err := in.fill(bytes.NewReader(make([]byte, 10)), 1<<30, nil); err != io.ErrUnexpectedEOF || cap(in.buf) > 2*frameStep {
		t.Errorf("%v, with a buffer of %d bytes", err, cap(in.buf))
	}
	large := bytes.Repeat([]byte("0123456789"), 100_000)
	got, err := in.fill(bytes.NewReader(large), len(large), nil)
	if err != nil || !bytes.Equal(got, large) || cap(in.buf) > 2*len(large) {
		t.Errorf("%v, %d bytes in a buffer of %d", err, len(got), cap(in.buf))
	}
	if got, err = in.fill(strings.NewReader("small"), 5, nil); err != nil || string(got) != "small" || cap(in.buf) > frameStep {
		t.Errorf("%v, %q in a buffer of %d", err, got, cap(in.buf))
	}
	in.buf = nil
	if other, err := in.fill(strings.NewReader("other"), 5, nil); err != nil || string(other) != "other" || string(got) != "small" {
		t.Errorf("%v: %q was read over %q", err, other, got)
	}
}
