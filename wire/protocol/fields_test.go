package protocol

import (
	"bytes"
	"encoding/binary"
	stdgob "encoding/gob"
	"errors"
	"net/rpc"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire/internal/gob"
	"mom.internal/wire/wiretest/attack"
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
			&Ack{Events: 5, Bytes: 6},
		)
	}
	want := make([]any, len(bodies))
	for i, b := range bodies {
		want[i] = reflect.New(reflect.TypeOf(b).Elem()).Interface()
		reflect.ValueOf(want[i]).Elem().Set(reflect.ValueOf(b).Elem())
	}
	frames := said(replyFrame, bodies...)
	ours := make([]any, len(bodies))
	for i, b := range bodies {
		ours[i] = reflect.New(reflect.TypeOf(b).Elem()).Interface()
	}
	heard(t, replyFrame, frames, ours...)
	dec := stdgob.NewDecoder(bytes.NewReader(payloads(frames)))
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
	if err := stdgob.NewEncoder(&buf).Encode(v); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// payloads returns the frames without their heads.
func payloads(frames []byte) (all []byte) {
	for len(frames) > 0 {
		end := frameHeadSize + int(binary.BigEndian.Uint32(frames[1:]))
		all = append(all, frames[frameHeadSize:end]...)
		frames = frames[end:]
	}
	return all
}

// TestFieldsAsGob: whatever is set, the bytes are those that encoding/gob would
// write in this process. A field that has come to a type must be written, too.
func TestFieldsAsGob(t *testing.T) {
	rng := attack.Random(t)
	for _, zero := range []gob.Fielder{&Batch{}, &Ack{}, &Page{}} {
		var gobs bytes.Buffer
		w, enc := gob.NewWriter(), stdgob.NewEncoder(&gobs)
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
			if !bytes.Equal(ours, gobs.Bytes()) { // the definitions before the first, too
				t.Fatalf("%+v\nwritten % x\ngob     % x", v.Elem(), ours, gobs.Bytes())
			}
		}
	}
}

// TestMixedStream: types that gob writes stand between those that it does not.
func TestMixedStream(t *testing.T) {
	var buf []byte
	w := gob.NewWriter()
	sent := []any{&rpc.Request{ServiceMethod: "a", Seq: 1}, &SubscribeArgs{Name: "n"}, &Ack{Events: 5}, &Subscribed{Head: 7}, &Ack{}, &SubscribeArgs{Credit: Credit{Events: 9, Bytes: 1 << 40}}, &Batch{}, &rpc.Request{}}
	for _, v := range sent {
		var err error
		if buf, err = w.Append(buf, v); err != nil {
			t.Fatal(err)
		}
	}
	dec, s := stdgob.NewDecoder(bytes.NewReader(buf)), new(gob.Stream)
	s.Take(buf)
	for i, v := range sent {
		gobs, ours := reflect.New(reflect.TypeOf(v).Elem()), reflect.New(reflect.TypeOf(v).Elem())
		if err := errors.Join(dec.DecodeValue(gobs), s.Decode(ours.Interface())); err != nil {
			t.Fatalf("value %d: %v", i, err)
		}
		if !reflect.DeepEqual(gobs.Interface(), v) || !reflect.DeepEqual(ours.Interface(), v) {
			t.Errorf("value %d is %+v by gob, %+v here", i, gobs.Elem(), ours.Elem())
		}
	}
}
