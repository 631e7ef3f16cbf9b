package gob

import (
	"bytes"
	"encoding/gob"
	"net/rpc"
	"reflect"
	"testing"

	"mom.internal/wire/wiretest/attack"
)

// TestWritesAsGob: whatever is set, the bytes are those that encoding/gob would
// write in this process. A field that has come to a type must be written, too.
func TestWritesAsGob(t *testing.T) {
	rng := attack.Random(t)
	for _, zero := range []any{&rpc.Request{}, &rpc.Response{}, &batch{}} {
		var gobs bytes.Buffer
		w, enc := NewWriter(), gob.NewEncoder(&gobs)
		for range 300 {
			v := reflect.New(reflect.TypeOf(zero).Elem())
			for i := range v.Elem().NumField() {
				if f := v.Elem().Field(i); f.CanSet() && rng.IntN(3) > 0 {
					attack.Fill(rng, f)
				}
			}
			gobs.Reset()
			ours, err := w.Append(nil, v.Interface())
			if err != nil {
				t.Fatal(err)
			}
			if err := enc.EncodeValue(v); err != nil {
				t.Fatal(err)
			}
			if len(w.ids) == 0 {
				t.Fatalf("%T is left to encoding/gob", zero)
			}
			if !bytes.Equal(ours, gobs.Bytes()) { // the definitions before the first, too
				t.Fatalf("%+v\nwritten % x\ngob     % x", v.Elem(), ours, gobs.Bytes())
			}
		}
	}
}

// TestNumbers: signed numbers are read as they are written.
func TestNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 63, 64, -64, -65, 1<<63 - 1, -1 << 63} {
		if in := (reader{b: appendInt(nil, n)}); in.int() != n || in.left() > 0 || in.bad {
			t.Errorf("%d is written % x", n, in.b)
		}
	}
}

// TestWriterAllocatesNothing, and keeps no room for the events that went by.
func TestWriterAllocatesNothing(t *testing.T) {
	w, head, body := NewWriter(), &rpc.Request{ServiceMethod: "Test.Notify"}, &batch{Next: 1, Events: make([]byte, 1<<20)}
	var buf []byte
	if n := testing.AllocsPerRun(100, func() {
		buf, _ = w.Append(buf[:0], head)
		buf, _ = w.Append(buf, body)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if len(buf) < 1<<20 || cap(w.fields.b) > maxKeptFields {
		t.Errorf("%d bytes written, %d kept", len(buf), cap(w.fields.b))
	}
	body = &batch{Types: make([]byte, 2*maxKeptFields)}
	if _, err := w.Append(nil, body); err != nil || w.fields.b != nil {
		t.Errorf("%v, %d bytes kept", err, cap(w.fields.b))
	}
}
