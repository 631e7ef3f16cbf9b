package gob

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

	"mom.internal/wire/wiretest/attack"
)

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
		Kinds   []uint32
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
	s := new(Stream)
	s.Take(stream)
	return errors.Join(s.Decode(v), s.End())
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
	rng := attack.Random(t)
	for range 500 {
		v := reflect.New(reflect.TypeFor[readAll]()).Elem()
		for i := range v.NumField() {
			if rng.IntN(4) > 0 { // zeros are not sent
				attack.Fill(rng, v.Field(i))
			}
		}
		v.FieldByName("Never").SetZero() // no wire type has one
		data := attack.Encode(v.Interface())
		sameBothWays(t, data, withoutComplex)
		sameBothWays(t, data, reflect.TypeFor[readOther]())
	}
	for _, v := range []any{-5, uint8(5), "text", true, 1.5, []string{"a", ""}, []byte{1}, [][]int{{1}, {}}, uuid.UUID{7}, time.Unix(5, 6).UTC()} {
		sameBothWays(t, attack.Encode(v), reflect.TypeOf(v))
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
		data := attack.Encode(tc.sent)
		if err := readFrame(data, tc.into); !errors.As(err, new(Error)) {
			t.Errorf("%s: %v, and %+v", name, err, tc.into)
		}
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(tc.into); err == nil {
			t.Errorf("%s: gob takes it", name)
		}
	}
	for _, n := range []any{int8(-128), int32(1<<31 - 1), uint8(255)} {
		sameBothWays(t, attack.Encode(n), reflect.TypeOf(n))
	}
}

func fullArgs() (a args) {
	a.Name, a.From.Seq, a.Room = "name", 7, 300
	a.Filter.Names, a.Filter.Kinds = []string{"a", "b"}, []byte{1, 2}
	return a
}

// TestReadOnMutations: whatever the bytes, what is taken is what gob takes.
func TestReadOnMutations(t *testing.T) {
	rng, taken := attack.Random(t), 0
	good := attack.Encode(fullArgs())
	for range 20_000 {
		data := attack.Mutated(rng, good)
		var ours, gobs args
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

// batch is a Fielder whose last field is long.
type batch struct {
	Next, Missed  uint64
	ID            uuid.UUID
	Last          bool
	Types, Events []byte
}

func (b *batch) GobFields(f *Fields) []byte {
	f.Uint(b.Next)
	f.Uint(b.Missed)
	f.Own(b.ID[:])
	f.Bool(b.Last)
	f.Bytes(b.Types)
	return b.Events
}

// TestBorrowed: what is most of a message is not copied, and what is little is.
func TestBorrowed(t *testing.T) {
	large, small := bytes.Repeat([]byte{7}, 1000), []byte{7, 7}
	for _, tc := range []struct {
		batch    batch
		room     int // of the memory that the message is in, beside it
		borrowed bool
	}{
		{batch{Next: 1, Events: large}, 0, true},
		{batch{Next: 1, Types: small, Events: large}, 0, true},
		{batch{Next: 1, Events: large}, 4000, false},
		{batch{Next: 1 << 60, Missed: 1 << 60, Types: make([]byte, 5), Events: small}, 0, false},
		{batch{Next: 1}, 0, false},
	} {
		data := attack.Encode(tc.batch)
		data = append(make([]byte, 0, len(data)+tc.room), data...)
		s, got := new(Stream), batch{}
		s.Take(data)
		if err := s.Decode(&got); err != nil || s.Borrowed() != tc.borrowed || !reflect.DeepEqual(got, tc.batch) {
			t.Errorf("borrowed %v: %v", s.Borrowed(), err)
		}
		for i := range data { // the next message
			data[i] = 0
		}
		if tc.borrowed == reflect.DeepEqual(got, tc.batch) {
			t.Errorf("borrowed %v, and changed %v", tc.borrowed, !tc.borrowed)
		}
		if cap(got.Events) != len(got.Events) && tc.borrowed {
			t.Error("what stands behind can be overwritten")
		}
		if s.Take(nil); s.Borrowed() {
			t.Error("borrowed for ever")
		}
	}
}

// TestWordsAreShort: no text keeps much more from being collected than itself.
func TestWordsAreShort(t *testing.T) {
	type texts struct{ A, B, C string }
	s, got := new(Stream), texts{}
	s.Take(attack.Encode(texts{strings.Repeat("a", 40_000), "b", strings.Repeat("c", maxWords)}))
	if err := s.Decode(&got); err != nil || len(got.A) != 40_000 || got.B != "b" || len(got.C) != maxWords {
		t.Fatal(err)
	}
	if s.words.Cap() > 2*maxWords || len(s.word) > maxWords {
		t.Errorf("%d bytes of texts lie together, %d in the last", s.words.Cap(), len(s.word))
	}
}

// TestPlansAreBounded is exact: the plans for what one stream's types become
// have so many steps at most.
func TestPlansAreBounded(t *testing.T) {
	s, all := new(Stream), many(16, maxFields/16, "F")
	perType := maxFields / 16
	for i, v := range all { // each by itself, and passed over
		s.Take(attack.Encode(v))
		s.types = *new(typeTable) // another stream's, of which s has the plans
		if err := s.Decode(nil); i == 0 && (err != nil || s.steps != 1+perType) {
			t.Fatalf("%d steps, %v", s.steps, err)
		}
		s.plans = nil
	}
	s.steps = 2*maxFields - 1 - perType
	s.types = *new(typeTable)
	s.Take(attack.Encode(all[0]))
	if err := s.Decode(nil); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	s = new(Stream)
	s.steps = 2*maxFields - perType
	s.Take(attack.Encode(all[0]))
	if err := s.Decode(nil); !errors.As(err, new(Error)) || !strings.Contains(err.Error(), "4096 fields") {
		t.Errorf("one more: %v", err)
	}
}

// TestStreamForLong: a stream that goes on and on with the same types costs no
// more than at first.
func TestStreamForLong(t *testing.T) {
	var b bytes.Buffer
	enc, s := gob.NewEncoder(&b), new(Stream)
	for i := range 3 * maxFields {
		b.Reset()
		enc.Encode(&rpc.Request{ServiceMethod: "Test.Twice", Seq: uint64(i)})
		enc.Encode(&args{Name: "a"})
		var head rpc.Request
		var body args
		s.Take(bytes.Clone(b.Bytes()))
		if err := errors.Join(s.Decode(&head), s.Decode(&body), s.End()); err != nil || head.Seq != uint64(i) || len(s.plans) != 2 {
			t.Fatalf("call %d: %v, with %d plans", i, err, len(s.plans))
		}
	}
}

// TestPrecheck refuses a long payload by its beginning: the rest need not come. At
// the bounds it goes on.
func TestPrecheck(t *testing.T) {
	type list struct {
		ServiceMethod string
		L             []bigElement
	}
	elements := func(n int) []byte { return attack.Encode(list{"Test.Twice", make([]bigElement, n)}) }
	head := func(n int) []byte { return attack.Encode(&rpc.Request{ServiceMethod: strings.Repeat("m", n)}) }
	over := maxHead - 2 // of a name so long, with its type, field, length and end
	for over > 0 && headSize(head(over)) > maxHead {
		over--
	}
	for name, tc := range map[string]struct {
		begin []byte
		want  string // "" where it goes on
	}{
		"elements":           {elements(maxElements), ""},
		"an element more":    {elements(maxElements + 1), "elements"},
		"a head":             {head(over), ""},
		"a byte more":        {head(over + 1), "head of a call"},
		"definitions":        {definitions(t, many(16, maxFields/16, "F")...), ""},
		"a definition more":  {definitions(t, many(17, maxFields/16, "F")...), "2048 fields"},
		"definitions' bytes": {definitions(t, many(20, 50, strings.Repeat("X", 30))...), "bytes of gob type definitions"},
		"a head and a body":  {attack.Encode(1, 2), ""},
		"a value more":       {attack.Encode(1, 2, 3), "more than a head and a body"},
		"no gob":             {bytes.Repeat([]byte{0x81}, 100), ""}, // decode will tell
		"a length of 2 GiB":  {[]byte{0xfc, 0x80, 0, 0, 0, 2, 2, 3}, "head of a call"},
		"nothing":            {nil, ""},
	} {
		s := new(Stream)
		err := s.Precheck(tc.begin)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) || len(s.types.byID) > 0 || s.types.bytes > 0 {
			t.Errorf("%s: %v, and %d types kept", name, err, len(s.types.byID))
		}
	}
	// Cut anywhere, what is good goes on.
	whole := attack.Encode(rpc.Request{ServiceMethod: "Test.Twice"}, fullArgs())
	for n := range whole {
		if err := new(Stream).Precheck(whole[:n]); err != nil {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// TestHeadSize: the bound of a head is exact: a head of maxHead bytes is
// read, and one byte more is refused; a body may be longer.
func TestHeadSize(t *testing.T) {
	head := func(n int) []byte { return attack.Encode(&rpc.Request{ServiceMethod: strings.Repeat("m", n)}) }
	n := maxHead
	for headSize(head(n)) > maxHead {
		n--
	}
	var r rpc.Request
	s := new(Stream)
	s.Take(attack.Encode(&rpc.Request{ServiceMethod: strings.Repeat("m", n)}, strings.Repeat("b", 2*maxHead)))
	if err := s.Decode(&r); err != nil || len(r.ServiceMethod) != n {
		t.Errorf("at the limit: %v", err)
	}
	if body := ""; s.Decode(&body) != nil || len(body) != 2*maxHead {
		t.Errorf("a body of %d bytes was read", len(body))
	}
	s = new(Stream)
	s.Take(head(n + 1))
	if err := s.Decode(&r); !errors.As(err, new(Error)) || !strings.Contains(err.Error(), "more than 65536 bytes") {
		t.Errorf("over the limit: %v", err)
	}
}

// definitions returns what defines the types of the values, and not these.
func definitions(t *testing.T, values ...any) (stream []byte) {
	t.Helper()
	for d := (valueReader{in: reader{b: attack.Encode(values...)}}); d.in.left() > 0; {
		start := d.in.at
		if _, id, err := d.message(); err != nil {
			t.Fatal(err)
		} else if id < 0 {
			stream = append(stream, d.in.b[start:d.in.at]...)
		}
	}
	return stream
}

// TestPrecheckChangesNothing: it does not change a stream that has types
// already, so that a message that brings more types can be decoded after it.
func TestGlanceChangesNothing(t *testing.T) {
	var b bytes.Buffer
	enc, s := gob.NewEncoder(&b), new(Stream)
	var head rpc.Request
	for i, body := range []any{5, fullArgs(), struct{ Room uint32 }{1}} {
		b.Reset()
		enc.Encode(&rpc.Request{ServiceMethod: "Test.Twice", Seq: uint64(i)})
		enc.Encode(body)
		payload := bytes.Clone(b.Bytes())
		for range 2 {
			if err := s.Precheck(payload); err != nil {
				t.Errorf("call %d, at the precheck: %v", i, err)
			}
		}
		s.Take(payload)
		if err := errors.Join(s.Decode(&head), s.Decode(nil), s.End()); err != nil || head.Seq != uint64(i) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// TestPrecheckIsCheap, however many values a payload has, and however many fields
// their types.
func TestPrecheckIsCheap(t *testing.T) {
	wide := many(1, maxFields/2, "F")[0]
	stream := attack.Encode(wide)
	typ, _, _ := lastMessage(stream)
	value := append(append([]byte{byte(len(typ) + 1)}, typ...), 0) // all fields zero
	stream = append(stream, bytes.Repeat(value, (64<<10)/len(value))...)
	before := attack.Allocated()
	if err := new(Stream).Precheck(stream); !errors.As(err, new(Error)) || attack.Allocated()-before > 4<<20 {
		t.Errorf("%v after %d bytes", err, attack.Allocated()-before)
	}
}

// headSize returns the bytes of a stream's last message, its length apart.
func headSize(stream []byte) int {
	d, size := valueReader{in: reader{b: stream}}, 0
	for d.in.left() > 0 {
		_, size, _ = d.part()
	}
	return size
}
