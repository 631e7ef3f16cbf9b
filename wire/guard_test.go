package wire

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/rpc"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// gobOf returns values as one gob stream.
func gobOf(t *testing.T, values ...any) []byte {
	t.Helper()
	var buf bytes.Buffer
	enc := gob.NewEncoder(&buf)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

func newTypes() *gobTypes { return new(gobTypes) }

func newStream() *frameStream { return new(frameStream) }

// walk takes in the definitions of a whole gob stream and passes over its
// values, as over fields that nobody knows.
func walk(types *gobTypes, stream []byte) error {
	for d := (gobValues{in: gobReader{b: stream}}); d.in.left() > 0; {
		size := d.in.left()
		msg, id, err := d.message()
		if err == nil && id < 0 {
			err = types.define(-id, msg, size-d.in.left())
		} else if err == nil {
			var step gobStep
			if step, _, err = types.plan(id, nil); err == nil {
				err = d.value(msg, &step, reflect.Value{})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func walked(stream []byte) error { return walk(newTypes(), stream) }

type (
	node     struct{ Kids []node }
	ring2    struct{ Other *ring2b }
	ring2b   struct{ Back []ring2 }
	withAny  struct{ V any }
	withMap  struct{ M map[string]struct{ N int } }
	withDeep struct{ S []struct{ M []map[int]int } }
	withPair struct{ P [2]int }
	wide     struct{ A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P int }
)

// deep returns a slice of slices of slices, n times.
func deep(n int) any {
	t := reflect.TypeFor[int]()
	for range n {
		t = reflect.SliceOf(t)
	}
	return reflect.New(t).Elem().Interface()
}

// many returns n structs of different types.
func many(n, fieldsEach int, prefix string) (values []any) {
	for i := range n {
		var fields []reflect.StructField
		for f := range fieldsEach {
			fields = append(fields, reflect.StructField{Name: fmt.Sprintf("%s%d_%d", prefix, i, f), Type: reflect.TypeFor[int]()})
		}
		values = append(values, reflect.New(reflect.StructOf(fields)).Interface())
	}
	return values
}

// TestGuardRefuses holds the guard against what gob would take.
func TestGuardRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"map":                   {gobOf(t, withMap{}), "map"},
		"map at the top":        {gobOf(t, map[int]int{1: 1}), "map"},
		"map within":            {gobOf(t, withDeep{}), "map"},
		"array":                 {gobOf(t, withPair{}), "array"},
		"interface":             {gobOf(t, withAny{}), "interface"},
		"slice of interface":    {gobOf(t, []any{}), "interface"},
		"contains itself":       {gobOf(t, node{}), "itself"},
		"contains itself later": {gobOf(t, ring2{}), "itself"},
		"too many types":        {gobOf(t, deep(maxTypes+1)), "types"},
		"too many fields":       {gobOf(t, many(22, 100, "X")...), "types"},
		"too many bytes":        {gobOf(t, many(20, 50, strings.Repeat("X", 30))...), "bytes"},
		"cut length":            {[]byte{0xfe, 1}, "cut off"},
		"length and no more":    {[]byte{0xfc, 0x3f, 0xff, 0xff, 0xff}, "cut off"},
		"length of nine bytes":  {[]byte{0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9}, "cut off"},
		"empty message":         {[]byte{0}, "cut off"},
		"gob's own type":        {[]byte{3, 32, 1, 0}, "type that is not taken"},
		"interface value":       {[]byte{2, 16, 0}, "type that is not taken"},
		"defined twice":         {append(gobOf(t, wide{}), gobOf(t, wide{})...), "already"},
	} {
		// A stream that is longer than one payload may come in pieces.
		err := walked(tc.data)
		if !errors.Is(err, ProtocolError) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s, %d bytes: %v; want %q", name, len(tc.data), err, tc.want)
		}
	}
}

// TestGuardTakes what the protocol says, and room for tomorrow.
func TestGuardTakes(t *testing.T) {
	guard := newTypes()
	if err := walk(guard, gobOf(t, rpc.Request{}, rpc.Response{}, Event{}, SubscribeArgs{}, Batch{}, Page{}, wide{}, 5, "text", struct{}{})); err != nil {
		t.Error(err)
	}
	if err := walked(gobOf(t, deep(maxTypes))); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	if n := len(guard.byID); n > maxTypes/3 {
		t.Errorf("all of the protocol has %d types: the bound of %d leaves little", n, maxTypes)
	}
}

// TestGuardOnMutations never panics, and never takes a map, whatever the bytes.
func TestGuardOnMutations(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	defer func() {
		if v := recover(); v != nil {
			t.Fatalf("seed %d: %v", seed, v)
		}
	}()
	good := gobOf(t, Event{Seq: 1}, SubscribeArgs{}, node{}, withMap{})
	for range 20_000 {
		data := mutated(rng, good)
		guard := newTypes()
		walk(guard, data)
		if len(guard.byID) > maxTypes {
			t.Fatalf("seed %d: %d types", seed, len(guard.byID))
		}
	}
}

// mutated returns a damaged copy of data.
func mutated(rng *rand.Rand, data []byte) []byte {
	data = slices.Clone(data)
	for range 1 + rng.IntN(4) {
		switch i := rng.IntN(len(data)); rng.IntN(4) {
		case 0:
			data[i] = byte(rng.Uint32())
		case 1:
			data[i] ^= 1 << rng.IntN(8)
		case 2:
			data = slices.Delete(data, i, min(len(data), i+1+rng.IntN(3)))
		case 3:
			data = data[:i+1]
		}
		if len(data) == 0 {
			return []byte{0}
		}
	}
	return data
}

// endlessMap is a request in which an unknown field is a map of 2^62 structs,
// to structs:
// gob by itself would count to there.
func endlessMap(t *testing.T) []byte {
	type K struct{ N int }
	type request struct {
		ServiceMethod string
		M             map[K]K
	}
	data := gobOf(t, &request{ServiceMethod: "T", M: map[K]K{}})
	// The value is the last message: length, type, field 1 (T), no more fields.
	// Give it field 2 with its count, and correct the length.
	end := bytes.LastIndex(data, []byte{1, 1, 'T'})
	value := slices.Concat(data[end-2:end], []byte{1, 1, 'T', 1, 0xf8, 0x40, 0, 0, 0, 0, 0, 0, 0})
	return slices.Concat(data[:end-3], []byte{byte(len(value))}, value)
}

// TestGuardOnConn refuses a definition in either kind of frame and in a stream of
// events.
func TestGuardOnConn(t *testing.T) {
	for kind, head := range map[frameKind][]byte{
		frameCall: endlessMap(t), frameReply: endlessMap(t),
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go io.Copy(io.Discard, far)
			c := NewConn(near, testConfig)
			served := make(chan error)
			go func() { served <- c.Serve("Test", &echo{t}) }()
			if kind == frameReply {
				go c.Call(context.Background(), "Test.Twice", new(int), new(int))
				synctest.Wait()
			}
			far.Write(append([]byte{byte(kind), 0, 0, 0, byte(len(head))}, head...))
			if err := <-served; !errors.Is(err, ProtocolError) || !strings.Contains(err.Error(), "map") {
				t.Errorf("kind %d: %v", kind, err)
			}
		})
	}
	if err := NewEventDecoder(endlessMap(t)).Decode(nil, 0, nil); !errors.Is(err, ProtocolError) {
		t.Errorf("in the types of events: %v", err)
	}
	if err := NewEventDecoder(NewEventEncoder().Types()).Decode(endlessMap(t), 1, nil); !errors.Is(err, ProtocolError) {
		t.Errorf("among events: %v", err)
	}
}

// TestGuardBounds is exact, for fields and for bytes of definitions; for types
// see TestGuardTakes.
func TestGuardBounds(t *testing.T) {
	fields := many(16, maxFields/16, "F")
	if err := walked(gobOf(t, fields...)); err != nil {
		t.Errorf("%d fields: %v", maxFields, err)
	}
	err := walked(gobOf(t, append(fields, many(1, 1, "G")...)...))
	if !errors.Is(err, ProtocolError) || !strings.Contains(err.Error(), "2048 fields in all") {
		t.Errorf("a field more: %v", err)
	}

	named := func(n int) []byte { return gobOf(t, many(1, 1, strings.Repeat("N", n))...) }
	guard := newTypes()
	if err := walk(guard, named(30_000)); err != nil {
		t.Fatal(err)
	}
	longest := 30_000 + maxDefinitionBytes - guard.bytes
	guard = newTypes()
	if err := walk(guard, named(longest)); err != nil || guard.bytes != maxDefinitionBytes {
		t.Errorf("%d bytes of definitions: %v", guard.bytes, err)
	}
	if err := walked(named(longest + 1)); !errors.Is(err, ProtocolError) || !strings.Contains(err.Error(), "32768 bytes") {
		t.Errorf("a byte more: %v", err)
	}
}

// TestDefinitionBytes reads definitions as gob specifies them, and refuses
// those with a field that the specification does not have.
func TestDefinitionBytes(t *testing.T) {
	const name = "\x01\x01N\x01\xff\x82\x00" // N, type 65
	const number = "\xff\x82"
	for in, want := range map[string]gobType{
		"\x03\x01" + name + "\x01\x01" + name + "\x00\x00": {gobStruct, []gobRef{{"N", 65}}},
		"\x03\x01" + name + "\x00\x00":                     {gobStruct, nil},
		"\x02\x01" + name + "\x01" + number + "\x00\x00":   {gobSlice, []gobRef{{"", 65}}},
		"\x05\x01" + name + "\x00\x00":                     {gobOwn, nil},
		"\x06\x01" + name + "\x00\x00":                     {gobBinary, nil},
		"\x07\x01" + name + "\x00\x00":                     {gobText, nil},
	} {
		r := gobReader{b: []byte(in)}
		if kind, refs := r.definition(10); kind != want.kind || !slices.Equal(refs, want.refs) || r.bad || r.left() > 0 {
			t.Errorf("% x: kind %d, %v, bad %v", in, kind, refs, r.bad)
		}
	}
	for what, in := range map[string]string{
		"an array":                      "\x01\x01" + name + "\x00\x00",
		"a map":                         "\x04\x01" + name + "\x00\x00",
		"another kind":                  "\x08\x01" + name + "\x00\x00",
		"two kinds":                     "\x02\x01" + name + "\x01" + number + "\x00\x01\x01" + name + "\x00\x00",
		"a third field of a struct":     "\x03\x01" + name + "\x01\x00\x01\x02\x00\x00",
		"a third field of a slice":      "\x02\x01" + name + "\x01" + number + "\x01\x02\x00\x00",
		"a second field of own":         "\x05\x01" + name + "\x01" + number + "\x00\x00",
		"a third field of a name":       "\x05\x01\x01\x01N\x01" + number + "\x01\x02\x00\x00\x00",
		"a field number that is absurd": "\x03\x41",
		"more fields than there are":    "\x03\x01" + name + "\x01\x02" + name + "\x00\x00",
		"more fields than may be":       "\x03\x01" + name + "\x01\x0b" + strings.Repeat(name, 11) + "\x00\x00",
	} {
		r := gobReader{b: []byte(in)}
		if kind, refs := r.definition(10); !r.bad {
			t.Errorf("%s: kind %d, %v", what, kind, refs)
		}
	}
}

// TestLadderOfTypes: types of which each has two fields of the type before are
// looked at once each, and not once for each path to them.
func TestLadderOfTypes(t *testing.T) {
	types, top := newTypes(), int64(gobFirstUser)
	common := func(id int64) []byte { return slices.Concat([]byte("\x01\x01N\x01"), appendInt(nil, id), []byte{0}) }
	for id := top; id < gobFirstUser+100; id++ {
		below := common(id - 1)
		if id == gobFirstUser {
			below = common(gobInt)
		}
		def := slices.Concat([]byte("\x03\x01"), common(id), []byte("\x01\x02"), below, below, []byte("\x00\x00"))
		if err := types.define(id, gobReader{b: def}, len(def)); err != nil {
			t.Fatalf("type %d: %v", id, err)
		}
		top = id
	}
	if _, steps, err := types.plan(top, nil); err != nil || steps != 200 {
		t.Errorf("%d steps, %v", steps, err)
	}
}
