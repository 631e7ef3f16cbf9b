package attack

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Random returns a generator whose seed is logged if the test fails.
func Random(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// Fill sets every field of v at random, slices and pointers too.
func Fill(rng *rand.Rand, v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(rng.Int64N(1<<33), rng.Int64N(1e9)).UTC()))
		return
	case reflect.TypeFor[uuid.UUID]():
		var id uuid.UUID
		for i := range id {
			id[i] = byte(1 + rng.IntN(255))
		}
		v.Set(reflect.ValueOf(id))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32: // an int may have 32 bits
		v.SetInt(1 + int64(rng.Int32N(1<<31-1)>>rng.IntN(30)))
	case reflect.Int64:
		v.SetInt(1 + rng.Int64()>>(1+rng.IntN(60)))
	case reflect.Float64:
		v.SetFloat(1 + rng.Float64())
	case reflect.Complex128:
		v.SetComplex(complex(1+rng.Float64(), rng.Float64()))
	case reflect.Uint8:
		v.SetUint(1 + rng.Uint64N(3))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(1 + rng.Uint64N(1<<32-1))
	case reflect.String:
		v.SetString(strings.Repeat("ä", 1+rng.IntN(20)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(3), 4))
		for i := range v.Len() {
			Fill(rng, v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		Fill(rng, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			Fill(rng, v.Field(i))
		}
	default:
		panic("a field that this test cannot fill: " + v.Type().String())
	}
}
