package wire

import (
	"bytes"
	"encoding/gob"
	"errors"
	"net/rpc"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// gobread_test.go holds the reader of values against encoding/gob's own.

type (
	readInner struct {
		N    int64
		S    string
		Raw  []byte
		When time.Time
	}
	readAll struct {
		I       int
		I64     int64
		U8      uint8
		U64     uint64
		F       float64
		Yes     bool
		S       string
		Raw     []byte
		States  []State
		ID      uuid.UUID
		When    time.Time
		In      readInner
		P       *readInner
		L       []readInner
		Deep    [][]int64
		Texts   []string
		Never   complex128
		Far     [][]readInner
		Numbers []uint64
	}
	// readOther has some of the fields, in another order and in other sizes.
	readOther struct {
		Numbers []uint32
		Far     [][]struct{ S string }
		Absent  string
		P       readInner
		In      *struct{ Raw, More []byte }
		I       int64
		U8      uint64
		Yes     bool
		L       []struct{ When time.Time }
	}
)

// readFrame reads the last value of a stream as a connection does.
func readFrame(stream []byte, v any) error {
	s := newStream()
	s.take(stream)
	return errors.Join(s.decode(v), s.end())
}

// sameBothWays reads the stream into two values of the type and compares them.
func sameBothWays(t *testing.T, stream []byte, typ reflect.Type) {
	t.Helper()
	ours, gobs := reflect.New(typ), reflect.New(typ)
	if err := readFrame(stream, ours.Interface()); err != nil {
		t.Fatalf("%v: %v", typ, err)
	}
	if err := gob.NewDecoder(bytes.NewReader(stream)).DecodeValue(gobs); err != nil {
		t.Fatalf("%v: gob: %v", typ, err)
	}
	if !reflect.DeepEqual(ours.Interface(), gobs.Interface()) {
		t.Fatalf("read %+v\ngob  %+v", ours.Elem(), gobs.Elem())
	}
}

// TestReadsAsGob: values of every kind, into the same type and into another.
func TestReadsAsGob(t *testing.T) {
	rng := seeded(t)
	for range 500 {
		v := reflect.New(reflect.TypeFor[readAll]()).Elem()
		for i := range v.NumField() {
			if rng.IntN(4) > 0 { // zeros are not sent
				filled(rng, v.Field(i))
			}
		}
		v.FieldByName("Never").SetZero() // no wire type has one
		data := gobOf(t, v.Interface())
		sameBothWays(t, data, withoutComplex)
		sameBothWays(t, data, reflect.TypeFor[readOther]())
	}
	for _, v := range []any{-5, uint8(5), "text", true, 1.5, []string{"a", ""}, []byte{1}, [][]int{{1}, {}}, uuid.UUID{7}, time.Unix(5, 6).UTC()} {
		sameBothWays(t, gobOf(t, v), reflect.TypeOf(v))
	}
}

// withoutComplex is readAll less what the protocol has no use for.
var withoutComplex = func() reflect.Type {
	var fields []reflect.StructField
	for f := range fieldsOf(reflect.TypeFor[readAll]()) {
		if f.Type.Kind() != reflect.Complex128 {
			fields = append(fields, f)
		}
	}
	return reflect.StructOf(fields)
}()

func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// TestReadRefuses what gob refuses, too: a type that does not fit, a number
// that is too large.
func TestReadRefuses(t *testing.T) {
	type a[T any] struct{ A T }
	for name, tc := range map[string]struct{ sent, into any }{
		"a sign":           {a[int]{1}, new(a[uint])},
		"no sign":          {a[uint]{1}, new(a[int])},
		"a text as bytes":  {a[string]{"x"}, new(a[[]byte])},
		"bytes as a text":  {a[[]byte]{[]byte{1}}, new(a[string])},
		"a fraction":       {a[float64]{1}, new(a[int])},
		"a truth":          {a[int]{1}, new(a[bool])},
		"a list":           {a[int]{1}, new(a[[]int])},
		"another list":     {a[[]string]{[]string{"x"}}, new(a[[]int])},
		"a struct":         {a[int]{1}, new(a[struct{ N int }])},
		"no struct":        {a[a[int]]{a[int]{1}}, new(a[int])},
		"a UUID as bytes":  {a[uuid.UUID]{uuid.UUID{1}}, new(a[[]byte])},
		"bytes as a UUID":  {a[[]byte]{make([]byte, 16)}, new(a[uuid.UUID])},
		"a time as a UUID": {a[time.Time]{time.Unix(1, 0)}, new(a[uuid.UUID])},
		"int8":             {a[int]{128}, new(a[int8])},
		"int32":            {a[int64]{-1<<31 - 1}, new(a[int32])},
		"uint8":            {a[uint]{256}, new(a[uint8])},
		"nothing shared":   {a[int]{1}, new(struct{ B int })},
		"no struct at all": {5, new(a[int])},
		"a struct for int": {a[int]{1}, new(int)},
	} {
		data := gobOf(t, tc.sent)
		if err := readFrame(data, tc.into); !errors.Is(err, ProtocolError) {
			t.Errorf("%s: %v, and %+v", name, err, tc.into)
		}
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(tc.into); err == nil {
			t.Errorf("%s: gob takes it", name)
		}
	}
	for _, n := range []any{int8(-128), int32(1<<31 - 1), uint8(255)} {
		sameBothWays(t, gobOf(t, n), reflect.TypeOf(n))
	}
}

// TestReadOnMutations: whatever the bytes, what is taken is what gob takes.
func TestReadOnMutations(t *testing.T) {
	rng, taken := seeded(t), 0
	good := gobOf(t, SubscribeArgs{Name: "name", Cursor: Cursor{Seq: 7}, Filter: Filter{Names: []string{"a", "b"}, States: []State{1, 2}}, Room: 300})
	for range 20_000 {
		data := mutated(rng, good)
		var ours, gobs SubscribeArgs
		if readFrame(data, &ours) != nil {
			continue
		}
		taken++
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&gobs); err != nil || !reflect.DeepEqual(ours, gobs) {
			t.Fatalf("% x:\nread %+v\ngob  %+v, %v", data, ours, gobs, err)
		}
	}
	if taken == 0 || taken == 20_000 {
		t.Errorf("%d of 20,000 taken", taken)
	}
}

// TestPlaces: a record's places are those of its fields.
func TestPlaces(t *testing.T) {
	var r record
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		var want any
		switch at := v.Field(i).Addr().Interface().(type) {
		case *int, *int64, *uint64, *string:
			want = at
		}
		if place := r.place(int16(i)); place != want {
			t.Errorf("%s has the place %v; want %v", v.Type().Field(i).Name, place, want)
		}
	}
	if r.place(-1) != nil || r.place(int16(v.NumField())) != nil {
		t.Error("there are places for no field")
	}
}

// TestLent: what is most of a message is not copied, and what is little is.
func TestLent(t *testing.T) {
	large, small := bytes.Repeat([]byte{7}, 1000), []byte{7, 7}
	for _, tc := range []struct {
		batch Batch
		room  int // of the memory that the message is in, beside it
		lent  bool
	}{
		{Batch{Next: 1, Count: 1, Events: large}, 0, true},
		{Batch{Next: 1, Count: 1, Types: small, Events: large}, 0, true},
		{Batch{Next: 1, Count: 1, Events: large}, 4000, false},
		{Batch{Next: 1 << 60, Missed: 1 << 60, Count: 1 << 30, Events: small}, 0, false},
		{Batch{Next: 1}, 0, false},
	} {
		data := gobOf(t, tc.batch)
		data = append(make([]byte, 0, len(data)+tc.room), data...)
		s, got := newStream(), Batch{}
		s.take(data)
		if err := s.decode(&got); err != nil || s.lent != tc.lent || !reflect.DeepEqual(got, tc.batch) {
			t.Errorf("lent %v: %v", s.lent, err)
		}
		for i := range data { // the next message
			data[i] = 0
		}
		if tc.lent == reflect.DeepEqual(got, tc.batch) {
			t.Errorf("lent %v, and changed %v", tc.lent, !tc.lent)
		}
		if cap(got.Events) != len(got.Events) && tc.lent {
			t.Error("what stands behind can be overwritten")
		}
		if s.take(nil); s.lent {
			t.Error("lent for ever")
		}
	}
}

// TestWordsAreShort: no text keeps much more from being collected than itself.
func TestWordsAreShort(t *testing.T) {
	type texts struct{ A, B, C string }
	s, got := newStream(), texts{}
	s.take(gobOf(t, texts{strings.Repeat("a", 40_000), "b", strings.Repeat("c", maxWords)}))
	if err := s.decode(&got); err != nil || len(got.A) != 40_000 || got.B != "b" || len(got.C) != maxWords {
		t.Fatal(err)
	}
	if s.words.Cap() > 2*maxWords || len(s.word) > maxWords {
		t.Errorf("%d bytes of texts lie together, %d in the last", s.words.Cap(), len(s.word))
	}
}

// TestPlansAreBounded is exact: the plans for what one stream's types become
// have so many steps at most.
func TestPlansAreBounded(t *testing.T) {
	s, all := newStream(), many(16, maxFields/16, "F")
	perType := maxFields / 16
	for i, v := range all { // each by itself, and passed over
		s.take(gobOf(t, v))
		s.types = *newTypes() // another stream's, of which s has the plans
		if err := s.decode(nil); i == 0 && (err != nil || s.steps != 1+perType) {
			t.Fatalf("%d steps, %v", s.steps, err)
		}
		s.plans = nil
	}
	s.steps = 2*maxFields - 1 - perType
	s.types = *newTypes()
	s.take(gobOf(t, all[0]))
	if err := s.decode(nil); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	s = newStream()
	s.steps = 2*maxFields - perType
	s.take(gobOf(t, all[0]))
	if err := s.decode(nil); !errors.Is(err, ProtocolError) || !strings.Contains(err.Error(), "4096 fields") {
		t.Errorf("one more: %v", err)
	}
}

// TestStreamForLong: a stream that goes on and on with the same types costs no
// more than at first.
func TestStreamForLong(t *testing.T) {
	var b bytes.Buffer
	enc, s := gob.NewEncoder(&b), newStream()
	for i := range 3 * maxFields {
		b.Reset()
		enc.Encode(&rpc.Request{ServiceMethod: "Test.Twice", Seq: uint64(i)})
		enc.Encode(&Filter{Names: []string{"a"}})
		var head rpc.Request
		var body Filter
		s.take(bytes.Clone(b.Bytes()))
		if err := errors.Join(s.decode(&head), s.decode(&body), s.end()); err != nil || head.Seq != uint64(i) || len(s.plans) != 2 {
			t.Fatalf("call %d: %v, with %d plans", i, err, len(s.plans))
		}
	}
}
