package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"io"
	"net/rpc"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// TestTails: bodies whose events went past the encoder decode as what they are,
// by gob too, whatever their sizes and whatever else is set.
func TestTails(t *testing.T) {
	var bodies []any
	for _, n := range []int{0, 1, 100, 127, 128, 200, 255, 256, 30_000, 65_535, 65_536, 1 << 20} {
		events := bytes.Repeat([]byte{byte(n), 1, 2}, n)[:n]
		bodies = append(bodies,
			&Batch{Next: 1, Count: uint32(n), Events: events},
			&Batch{Next: 1 << 60, Missed: 5, Count: 1, Types: []byte("types"), Events: events},
			&Batch{Events: events}, // no server's
			&Page{Count: 2, Events: events},
			&Page{Epoch: uuid.UUID{1}, Next: 7, Count: 2, Types: []byte("types"), Events: events},
			&Page{Count: 2, More: true, Events: events},
			&Page{Events: events},
			&Ack{Next: 5, Room: 6},
		)
	}
	want := make([]any, len(bodies))
	for i, b := range bodies {
		want[i] = reflect.New(reflect.TypeOf(b).Elem()).Interface()
		reflect.ValueOf(want[i]).Elem().Set(reflect.ValueOf(b).Elem())
	}
	frames := said(frameReply, bodies...)
	ours := make([]any, len(bodies))
	for i, b := range bodies {
		ours[i] = reflect.New(reflect.TypeOf(b).Elem()).Interface()
	}
	heard(t, frameReply, frames, ours...)
	dec := gob.NewDecoder(bytes.NewReader(payloads(frames)))
	for i := range want {
		gobs := reflect.New(reflect.TypeOf(want[i]).Elem())
		if err := dec.Decode(new(rpc.Response)); err != nil {
			t.Fatal(err)
		}
		if err := dec.DecodeValue(gobs); err != nil {
			t.Fatalf("body %d: %v", i, err)
		}
		for name, got := range map[string]any{"left with the caller": bodies[i], "ours": ours[i], "gob's": gobs.Interface()} {
			if !sameBody(got, want[i]) {
				t.Errorf("body %d, %s: %.300v; want %.300v", i, name, got, want[i])
			}
		}
	}
}

// sameBody compares bodies; gob does not tell an empty list from none.
func sameBody(a, b any) bool {
	return slices.Equal(encodedAlone(a), encodedAlone(b))
}

func encodedAlone(v any) []byte {
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(v); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// payloads returns the frames without their heads.
func payloads(frames []byte) (all []byte) {
	for len(frames) > 0 {
		end := frameHead + int(binary.BigEndian.Uint32(frames[1:]))
		all = append(all, frames[frameHead:end]...)
		frames = frames[end:]
	}
	return all
}

// TestTailsAreLast: a field behind the events would stand in the wrong place.
func TestTailsAreLast(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[Batch](), reflect.TypeFor[Page]()} {
		last := typ.Field(typ.NumField() - 1)
		if last.Name != "Events" {
			t.Errorf("%v ends with %s", typ, last.Name)
		}
		// tail knows of the fields just before.
		for i := range typ.NumField() - 1 {
			v := reflect.New(typ)
			filled(seeded(t), v.Elem().Field(i))
			_, delta := v.Interface().(tailed).tail()
			if delta != 0 && int(delta) != typ.NumField()-1-i {
				t.Errorf("%v with %s alone: %d", typ, typ.Field(i).Name, delta)
			}
		}
	}
}

// TestTailsAllocateNothing, and leave the encoder small.
func TestTailsAllocateNothing(t *testing.T) {
	enc := &frameEncoder{kind: frameCall}
	enc.enc = gob.NewEncoder(&enc.w)
	head, batch := &rpc.Request{ServiceMethod: MethodNotify}, &Batch{Next: 1, Count: 1, Events: make([]byte, 1<<20)}
	enc.head, enc.body = head, batch
	written := 0
	sink := counter{&written}
	if n := testing.AllocsPerRun(100, func() {
		if err := enc.encodeBoth(sink); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if written < 100<<20 {
		t.Errorf("%d bytes written", written)
	}
}

type counter struct{ n *int }

func (c counter) Write(p []byte) (int, error) { *c.n += len(p); return len(p), nil }

var _ io.Writer = counter{}
