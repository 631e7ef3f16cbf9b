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

// TestRecords reads values whose definitions came apart from them. The values do
// not refer to the memory that they were read from.
func TestRecords(t *testing.T) {
	want := sample{N: -1, Big: 1 << 40, Place: 7, Text: "text", Raw: []byte("raw"), Short: shortList{"a", "b", "c"}}
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
		if err := r.Decode(&got); err != nil || r.Left() != (2-i)*len(value) {
			t.Fatalf("%v, with %d bytes left", err, r.Left())
		}
		for j := range value {
			data[i*len(value)+j] = 0xff
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v; want %+v", got, want)
		}
	}
	if err := r.Decode(new(sample)); !errors.As(err, new(Error)) {
		t.Errorf("at the end: %v", err)
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
			err = r.Decode(new(sample))
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v; want %q", name, err, tc.want)
		}
	}
}
