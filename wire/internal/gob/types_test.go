package gob

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/rpc"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mom.internal/wire/wiretest/attack"
)

// walk takes in the definitions of a whole gob stream and passes over its
// values, as over fields that nobody knows.
func walk(types *typeTable, stream []byte) error {
	for d := (valueReader{in: reader{b: stream}}); d.in.left() > 0; {
		size := d.in.left()
		msg, id, err := d.message()
		if err == nil && id < 0 {
			err = types.define(-id, msg, size-d.in.left())
		} else if err == nil {
			var step readStep
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

func walked(stream []byte) error { return walk(new(typeTable), stream) }

// args are the arguments of a call.
type args struct {
	Name   string
	From   struct{ Seq uint64 }
	Filter struct {
		Names []string
		Kinds []uint8
	}
	Room uint32
}

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
		"map":                   {attack.Encode(withMap{}), "map"},
		"map at the top":        {attack.Encode(map[int]int{1: 1}), "map"},
		"map within":            {attack.Encode(withDeep{}), "map"},
		"array":                 {attack.Encode(withPair{}), "array"},
		"interface":             {attack.Encode(withAny{}), "interface"},
		"slice of interface":    {attack.Encode([]any{}), "interface"},
		"contains itself":       {attack.Encode(node{}), "itself"},
		"contains itself later": {attack.Encode(ring2{}), "itself"},
		"too many types":        {attack.Encode(deep(maxTypes + 1)), "types"},
		"too many fields":       {attack.Encode(many(22, 100, "X")...), "types"},
		"too many bytes":        {attack.Encode(many(20, 50, strings.Repeat("X", 30))...), "bytes"},
		"cut length":            {[]byte{0xfe, 1}, "cut off"},
		"length and no more":    {[]byte{0xfc, 0x3f, 0xff, 0xff, 0xff}, "cut off"},
		"length of nine bytes":  {[]byte{0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9}, "cut off"},
		"empty message":         {[]byte{0}, "cut off"},
		"gob's own type":        {[]byte{3, 32, 1, 0}, "type that is not accepted"},
		"interface value":       {[]byte{2, 16, 0}, "type that is not accepted"},
		"defined twice":         {append(attack.Encode(wide{}), attack.Encode(wide{})...), "already"},
	} {
		// A stream that is longer than one payload may come in pieces.
		err := walked(tc.data)
		if !errors.As(err, new(Error)) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s, %d bytes: %v; want %q", name, len(tc.data), err, tc.want)
		}
	}
}

// TestGuardTakes what is harmless.
func TestGuardTakes(t *testing.T) {
	if err := walked(attack.Encode(rpc.Request{}, rpc.Response{}, args{}, wide{}, 5, "text", struct{}{})); err != nil {
		t.Error(err)
	}
	if err := walked(attack.Encode(deep(maxTypes))); err != nil {
		t.Errorf("at the bound: %v", err)
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
	good := attack.Encode(readAll{I: 1}, args{}, node{}, withMap{})
	for range 20_000 {
		data := attack.Mutated(rng, good)
		guard := new(typeTable)
		walk(guard, data)
		if len(guard.byID) > maxTypes {
			t.Fatalf("seed %d: %d types", seed, len(guard.byID))
		}
	}
}

// TestGuardBounds is exact, for fields and for bytes of definitions; for types
// see TestGuardTakes.
func TestGuardBounds(t *testing.T) {
	fields := many(16, maxFields/16, "F")
	if err := walked(attack.Encode(fields...)); err != nil {
		t.Errorf("%d fields: %v", maxFields, err)
	}
	err := walked(attack.Encode(append(fields, many(1, 1, "G")...)...))
	if !errors.As(err, new(Error)) || !strings.Contains(err.Error(), "2048 fields in all") {
		t.Errorf("a field more: %v", err)
	}

	named := func(n int) []byte { return attack.Encode(many(1, 1, strings.Repeat("N", n))...) }
	guard := new(typeTable)
	if err := walk(guard, named(30_000)); err != nil {
		t.Fatal(err)
	}
	longest := 30_000 + maxDefinitionBytes - guard.bytes
	guard = new(typeTable)
	if err := walk(guard, named(longest)); err != nil || guard.bytes != maxDefinitionBytes {
		t.Errorf("%d bytes of definitions: %v", guard.bytes, err)
	}
	if err := walked(named(longest + 1)); !errors.As(err, new(Error)) || !strings.Contains(err.Error(), "32768 bytes") {
		t.Errorf("a byte more: %v", err)
	}
}

// TestDefinitionBytes reads definitions as gob specifies them, and refuses
// those with a field that the specification does not have.
func TestDefinitionBytes(t *testing.T) {
	const name = "\x01\x01N\x01\xff\x82\x00" // N, type 65
	const number = "\xff\x82"
	for in, want := range map[string]typeDef{
		"\x03\x01" + name + "\x01\x01" + name + "\x00\x00": {kindStruct, []typeRef{{"N", 65}}},
		"\x03\x01" + name + "\x00\x00":                     {kindStruct, nil},
		"\x02\x01" + name + "\x01" + number + "\x00\x00":   {kindSlice, []typeRef{{"", 65}}},
		"\x05\x01" + name + "\x00\x00":                     {kindGob, nil},
		"\x06\x01" + name + "\x00\x00":                     {kindBinary, nil},
		"\x07\x01" + name + "\x00\x00":                     {kindText, nil},
	} {
		r := reader{b: []byte(in)}
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
		r := reader{b: []byte(in)}
		if kind, refs := r.definition(10); !r.bad {
			t.Errorf("%s: kind %d, %v", what, kind, refs)
		}
	}
}

// TestLadderOfTypes: types of which each has two fields of the type before are
// looked at once each, and not once for each path to them.
func TestLadderOfTypes(t *testing.T) {
	types, top := new(typeTable), int64(idFirstUser)
	common := func(id int64) []byte { return slices.Concat([]byte("\x01\x01N\x01"), appendInt(nil, id), []byte{0}) }
	for id := top; id < idFirstUser+100; id++ {
		below := common(id - 1)
		if id == idFirstUser {
			below = common(idInt)
		}
		def := slices.Concat([]byte("\x03\x01"), common(id), []byte("\x01\x02"), below, below, []byte("\x00\x00"))
		if err := types.define(id, reader{b: def}, len(def)); err != nil {
			t.Fatalf("type %d: %v", id, err)
		}
		top = id
	}
	if _, steps, err := types.plan(top, nil); err != nil || steps != 200 {
		t.Errorf("%d steps, %v", steps, err)
	}
}
