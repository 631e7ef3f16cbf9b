package duplex

import (
	"errors"
	"net/rpc"
	"testing"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
)

// TestEncoderMaxPayload refuses a payload that is a byte longer than the peer takes,
// and sends nothing of it.
func TestEncoderMaxPayload(t *testing.T) {
	const size = 8 // bytes of an empty request and a zero
	for most, want := range map[int]error{size: nil, size - 1: wire.BadRequest, 0: nil} {
		cfg := ConnConfig{MaxWaiting: 1000}
		e := &frameEncoder{newOutbox(new(recorder), &cfg), frameCall, gob.NewWriter()}
		e.put(&rpc.Request{}, new(int)) // defines the types
		before := len(waiting(e.out))
		cfg.MaxCall = most
		err := e.put(&rpc.Request{}, new(int))
		got := len(waiting(e.out)) - before
		if !errors.Is(err, want) || err == nil && got != frameHead+size || err != nil && got != 0 {
			t.Errorf("at most %d: %v, and %d bytes more wait", most, err, got)
		}
	}
}

// TestEncodeFails: nothing of a frame is sent whose body cannot be encoded.
func TestEncodeFails(t *testing.T) {
	e := &frameEncoder{newOutbox(new(recorder), &ConnConfig{MaxWaiting: 1000}), frameCall, gob.NewWriter()}
	err := e.put(&rpc.Request{}, make(chan int))
	if err == nil || len(waiting(e.out)) > 0 {
		t.Errorf("%v, and %q waits", err, waiting(e.out))
	}
}
