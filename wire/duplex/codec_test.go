package duplex

import (
	"errors"
	"net/rpc"
	"testing"

	"mom.internal/wire"
)

// TestEncoderMaxPayload refuses a payload that is a byte longer than the peer takes,
// and sends nothing of it.
func TestEncoderMaxPayload(t *testing.T) {
	const size = 8 // bytes of an empty request and a zero
	for most, want := range map[int]error{size: nil, size - 1: wire.BadRequest, 0: nil} {
		c := &Conn{out: newOutbox(new(recorder), &ConnConfig{MaxWaiting: 1000})}
		e := newFrameEncoder(c, frameCall)
		e.put(&rpc.Request{}, new(int)) // defines the types
		before := len(waiting(c.out))
		e.maxPayload = most
		err := e.put(&rpc.Request{}, new(int))
		got := len(waiting(c.out)) - before
		if !errors.Is(err, want) || err == nil && got != frameHead+size || err != nil && got != 0 {
			t.Errorf("at most %d: %v, and %d bytes more wait", most, err, got)
		}
	}
}

// TestEncodeFails: nothing of a frame is sent whose body cannot be encoded.
func TestEncodeFails(t *testing.T) {
	c := &Conn{out: newOutbox(new(recorder), &ConnConfig{MaxWaiting: 1000})}
	err := newFrameEncoder(c, frameCall).put(&rpc.Request{}, make(chan int))
	if err == nil || len(waiting(c.out)) > 0 {
		t.Errorf("%v, and %q waits", err, waiting(c.out))
	}
}
