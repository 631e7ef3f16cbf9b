package attack

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Attack is what a hostile peer sends: the payload of a frame, gob that a
// plain decoder pays dearly for.
type Attack struct {
	Name    string
	Payload []byte
}

type (
	// node contains itself.
	node struct{ Kids []node }
	// wide is large in memory and one byte on the wire.
	wide  struct{ A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P int }
	point struct{ A, B int }
)

// Attacks returns them, each as a call of the method where it is a call at all.
// They fit frames of 64 KiB.
func Attacks(method string) []Attack {
	type withMap struct {
		ServiceMethod string
		M             map[point]point
	}
	type withNode struct {
		ServiceMethod string
		N             node
	}
	type withList struct {
		ServiceMethod string
		L             []wide
	}
	type filter struct{ Names []string }
	type args struct{ Filter filter }
	type mapArgs struct{ Filter map[string]string }
	type withAny struct {
		ServiceMethod string
		V             any
	}
	type request struct {
		ServiceMethod string
		Seq           uint64
	}
	call := Encode(&request{method, 1})
	m, n, l := Encode(&withMap{method, map[point]point{}}), Encode(&withNode{method, node{}}), Encode(&withList{method, make([]wide, 1)})
	head := func(more ...byte) []byte { // of a struct whose first field is the method
		return append(append([]byte{1, byte(len(method))}, method...), more...)
	}
	depth := 30_000
	deep := slices.Concat(head(1, 1), bytes.Repeat([]byte{1, 1}, depth), make([]byte, depth+2))
	return []Attack{
		{"a map of 2^62", withValue(m, head(1, 0xf8, 0x40, 0, 0, 0, 0, 0, 0, 0))},
		{"a map of 2^62 in the arguments", slices.Concat(call, withValue(Encode(&mapArgs{map[string]string{}}), []byte{1, 0xf8, 0x40, 0, 0, 0, 0, 0, 0, 0}))},
		{"a type that contains itself", n},
		{"a value 30,000 deep", withValue(n, deep[:60_000])},
		{"an interface", Encode(&withAny{ServiceMethod: method})},
		{"a length and nothing else", []byte{0xfc, 0x3f, 0xff, 0xff, 0xff}},
		{"a length of 8 GiB", []byte{0xfb, 2, 0, 0, 0, 0}},
		{"a list of 60,000 one-byte elements", withValue(l, slices.Concat(head(1, 0xfe, 0xea, 0x60), make([]byte, 60_001)))},
		{"a list that claims 100,000", withValue(l, head(1, 0xfd, 1, 0x86, 0xa0, 0, 0))},
		{"60,000 names", slices.Concat(call, withValue(Encode(&args{filter{[]string{"x"}}}), slices.Concat([]byte{1, 1, 0xfe, 0xea, 0x60}, make([]byte, 60_002))))},
		{"a flood of definitions", slices.Concat(definitions(400), call)},
		{"no gob", []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")},
		{"noise", bytes.Repeat([]byte{0x7f, 0xff, 0x80, 0x01}, 15_000)},
		{"nothing at all", nil},
	}
}

// LongAttacks are of the kinds that grow with their length, of a megabyte and
// more.
func LongAttacks(method string) []Attack {
	type withList struct {
		ServiceMethod string
		L             []wide
	}
	type withNames struct {
		ServiceMethod string
		L             []string
	}
	million := slices.Concat([]byte{1, byte(len(method))}, []byte(method), []byte{1, 0xfd, 0x0f, 0x42, 0x40}, make([]byte, 1_000_001))
	return []Attack{
		{"a list of 1,000,000 one-byte elements", withValue(Encode(&withList{method, make([]wide, 1)}), million)},
		{"1,000,000 names", withValue(Encode(&withNames{method, make([]string, 1)}), million)},
		{"2.3 MB of definitions", bytes.Repeat(definitions(400), 200)},
		{"a method of 1 MB", LongMethod(1 << 20)},
	}
}

// Frame returns the payload as a frame of the kind: 1 for a call, 2 for a
// reply.
func Frame(kind byte, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(payload))), payload...)
}

// Call returns calls in gob, as the first of a connection.
func Call(method string, args any) []byte {
	type request struct {
		ServiceMethod string
		Seq           uint64
	}
	return Encode(&request{method, 1}, args)
}

// NextCall is Call on a connection that has had it: without the definitions.
func NextCall(method string, args any) []byte { return WithoutDefinitions(Call(method, args)) }

// WithoutDefinitions returns the values of a gob stream.
func WithoutDefinitions(stream []byte) (values []byte) {
	for len(stream) > 0 {
		size, n := Number(stream)
		end := n + int(size)
		if id, _ := Number(stream[n:]); id&1 == 0 { // what defines a type has a negative number
			values = append(values, stream[:end]...)
		}
		stream = stream[end:]
	}
	return values
}

// LongMethod is a call of a method of n bytes that does not exist.
func LongMethod(n int) []byte {
	return Call(strings.Repeat("x", n/2)+"."+strings.Repeat("y", n-n/2-1), 5)
}

// Encode returns values as one gob stream.
func Encode(values ...any) []byte {
	var buf bytes.Buffer
	enc := gob.NewEncoder(&buf)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			panic(err)
		}
	}
	return buf.Bytes()
}

// definitions is a stream of n type definitions and their empty values.
func definitions(n int) []byte {
	var values []any
	for i := range n {
		field := reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: reflect.TypeFor[int]()}
		values = append(values, reflect.New(reflect.StructOf([]reflect.StructField{field})).Interface())
	}
	return Encode(values...)
}

// Resized returns a gob message with its length put right.
func Resized(message []byte) []byte {
	_, n := Number(message)
	return sized(nil, message[n:])
}

// sized appends a message of the content.
func sized(dst, content []byte) []byte {
	if len(content) < 0x80 {
		dst = append(dst, byte(len(content)))
	} else {
		dst = binary.BigEndian.AppendUint32(append(dst, 0xfc), uint32(len(content)))
	}
	return append(dst, content...)
}

// withValue returns a gob stream with another value, of the same type, as its
// last.
func withValue(stream, value []byte) []byte {
	start, typ := 0, []byte(nil)
	for at := 0; at < len(stream); {
		start = at
		size, n := Number(stream[at:])
		_, id := Number(stream[at+n:])
		typ = stream[at+n : at+n+id]
		at += n + int(size)
	}
	return sized(slices.Clone(stream[:start]), slices.Concat(typ, value))
}

// Number reads a number of gob's, and returns how many bytes it has.
func Number(b []byte) (v uint64, n int) {
	if b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	n = -int(int8(b[0]))
	for _, c := range b[1 : 1+n] {
		v = v<<8 | uint64(c)
	}
	return v, 1 + n
}
