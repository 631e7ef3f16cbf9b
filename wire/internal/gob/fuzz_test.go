package gob

import (
	"bytes"
	"encoding/gob"
	"errors"
	"net/rpc"
	"reflect"
	"testing"

	"mom.internal/wire/wiretest/attack"
)

// FuzzGuard: whatever the bytes, they are taken or refused cheaply, and what is
// taken is what gob takes, who reads them after they have been found harmless.
func FuzzGuard(f *testing.F) {
	for _, a := range attack.Attacks("Test.Method") {
		f.Add(a.Payload)
	}
	for _, v := range lists {
		f.Add(attack.Encode(v))
	}
	call := fullArgs()
	f.Add(attack.Call("Test.Method", &call))
	f.Fuzz(func(t *testing.T, data []byte) {
		attack.Bounded(t, len(data), func() {
			s := new(Stream)
			var head rpc.Request
			var body args
			s.Take(data)
			err := s.Decode(&head)
			if err == nil {
				err = s.Decode(&body)
			}
			if err == nil {
				sameAsGob(t, data, &head, &body)
			}
			if n := len(s.types.byID); n > maxTypes || s.steps > 2*maxFields {
				t.Errorf("%d types, %d bytes of definitions, %d steps", n, s.types.bytes, s.steps)
			}
			// The same in pieces: nothing gets by between two payloads.
			s, half := new(Stream), len(data)/2
			s.Take(data[:half])
			if s.Decode(&head) == nil {
				s.Take(data[half:])
				s.Decode(nil)
			}
		})
	})
}

// sameAsGob compares what has been read with what gob reads.
func sameAsGob(t *testing.T, data []byte, head *rpc.Request, body *args) {
	t.Helper()
	dec := gob.NewDecoder(bytes.NewReader(data))
	var gobHead rpc.Request
	var gobBody args
	if err := errors.Join(dec.Decode(&gobHead), dec.Decode(&gobBody)); err != nil {
		t.Errorf("gob refuses it: %v", err)
	} else if !reflect.DeepEqual(gobHead, *head) || !reflect.DeepEqual(gobBody, *body) {
		t.Errorf("%+v %+v; gob reads %+v %+v", *head, *body, gobHead, gobBody)
	}
}
