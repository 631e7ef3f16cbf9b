package gob

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mom.internal/wire/wiretest/attack"
)

// sample is a record with fields of every kind, and a list with a bound of its
// own.
type sample struct {
	N     int
	Big   int64
	Place uint64
	Text  string
	Raw   []byte
	Deep  struct{ N int }
	Short shortList
	Small int8
	Tiny  uint8
	Yes   bool
	Far   *int
}

type shortList []string

func (shortList) Bound(n int) error {
	if n > 3 {
		return fmt.Errorf("a list of %d", n)
	}
	return nil
}

// definitionsOf returns the two parts of a stream.
func definitionsOf(v any) (definitions, values []byte) {
	stream := attack.Encode(v)
	values = attack.WithoutDefinitions(stream)
	return stream[:len(stream)-len(values)], values
}

// decode decodes the next value into v.
func decode(r *Records, v any) error {
	target := reflect.ValueOf(v).Elem()
	numbers := make([]int64, target.NumField())
	err := r.Decode(target.Type(), numbers, func(i int) {
		switch f := target.Field(i).Addr().Interface().(type) {
		case *string:
			*f = r.Text()
		default:
			r.Into(f)
		}
	})
	for i, n := range numbers {
		switch f := target.Field(i); {
		case f.CanInt():
			f.SetInt(n)
		case f.CanUint():
			f.SetUint(uint64(n))
		case f.Kind() == reflect.Bool:
			f.SetBool(n != 0)
		}
	}
	return err
}

// TestRecords reads values whose definitions came apart from them. The values do
// not refer to the memory that they were read from.
func TestRecords(t *testing.T) {
	want := sample{N: -1, Big: 1 << 40, Place: 7, Text: "text", Raw: []byte("raw"), Short: shortList{"a", "b", "c"}, Small: -128, Tiny: 255, Yes: true, Far: new(int)}
	*want.Far = 300
	want.Deep.N = 5
	definitions, value := definitionsOf(want)
	var r Records
	if err := r.Define(definitions); err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat(value, 3)
	r.Take(data)
	for i := range 3 {
		var got sample
		if err := decode(&r, &got); err != nil || r.Left() != (2-i)*len(value) {
			t.Fatalf("%v, with %d bytes left", err, r.Left())
		}
		for j := range value {
			data[i*len(value)+j] = 0xff
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v; want %+v", got, want)
		}
	}
	if err := decode(&r, new(sample)); !errors.As(err, new(Error)) {
		t.Errorf("at the end: %v", err)
	}
}

// TestRecordsNumbers accepts a number for a narrower field only if it fits. A field that
// the value lacks is zero, and an unknown field is skipped.
func TestRecordsNumbers(t *testing.T) {
	type wide struct {
		Other, Small int64
		Texts        []string
		Yes          bool
	}
	type signed struct{ Tiny int64 }
	type unsigned struct{ Tiny uint64 }
	for _, tc := range []struct {
		sent any
		want *sample // nil for an error
	}{
		{wide{Other: 1 << 40, Small: 127, Texts: []string{"a"}, Yes: true}, &sample{Small: 127, Yes: true}},
		{wide{Small: -128}, &sample{Small: -128}},
		{wide{Small: 128}, nil},
		{wide{Small: -129}, nil},
		{signed{1}, nil}, // for an unsigned field
		{unsigned{255}, &sample{Tiny: 255}},
		{unsigned{256}, nil},
	} {
		definitions, value := definitionsOf(tc.sent)
		r, got := new(Records), sample{N: 1, Small: 1}
		r.Define(definitions)
		r.Take(value)
		err := decode(r, &got)
		if (err == nil) != (tc.want != nil) || err == nil && !reflect.DeepEqual(got, *tc.want) {
			t.Errorf("%+v: %+v, %v; want %+v", tc.sent, got, err, tc.want)
		}
	}
}

// TestRecordsRefuse definitions that are none, and values that do not fit them.
func TestRecordsRefuse(t *testing.T) {
	definitions, value := definitionsOf(sample{N: 1})
	_, long := definitionsOf(sample{Short: make(shortList, 4)})
	other := slices.Clone(value)
	other[2] += 2 // the next type
	for name, tc := range map[string]struct {
		definitions, values []byte
		want                string
	}{
		"a value among definitions": {slices.Concat(definitions, value), value, "a gob value among definitions"},
		"too many definitions":      {slices.Concat(definitions, make([]byte, maxDefinitionBytes)), value, "bytes of gob type definitions"},
		"definitions twice":         {slices.Concat(definitions, definitions), value, "already defined"},
		"half of them":              {definitions[:len(definitions)-1], value, "cut off"},
		"none":                      {nil, value, "not defined"},
		"a definition among values": {definitions, slices.Concat(value, definitions), "a gob definition among values"},
		"another type":              {definitions, slices.Concat(value, other), "values of two gob types"},
		"a list over its bound":     {definitions, long, "a list of 4"},
	} {
		var r Records
		err := r.Define(tc.definitions)
		r.Take(tc.values)
		for err == nil && r.Left() > 0 {
			err = decode(&r, new(sample))
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v; want %q", name, err, tc.want)
		}
	}
}
