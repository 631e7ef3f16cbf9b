package gob

import (
	"encoding/binary"
	"encoding/gob"
	"math/bits"
	"net/rpc"
	"reflect"
)

// writer.go writes the values that every call has: its head, and the arguments and
// replies that are Fielders. encoding/gob would copy a long last field twice, keep
// room for the largest value for the life of each encoder, and take most of the
// time of a call.

// Fielder is a struct that lists its own fields for a [Writer].
type Fielder interface {
	// GobFields adds the fields to f in the order of their numbers, which count
	// from 1. If the last field may be long, GobFields returns it instead.
	GobFields(f *Fields) (number byte, tail []byte)
}

type requestHead rpc.Request

func (r *requestHead) GobFields(f *Fields) (byte, []byte) {
	f.Text(1, r.ServiceMethod)
	f.Uint(2, r.Seq)
	return 0, nil
}

type responseHead rpc.Response

func (r *responseHead) GobFields(f *Fields) (byte, []byte) {
	f.Text(1, r.ServiceMethod)
	f.Uint(2, r.Seq)
	f.Text(3, r.Error)
	return 0, nil
}

// Fields are the fields of a struct, as gob writes them. Zero values are left out.
type Fields struct {
	b    []byte
	last byte // number of the last field
}

func (f *Fields) begin(number byte) {
	f.b = append(f.b, number-f.last)
	f.last = number
}

// Uint adds a number.
func (f *Fields) Uint(number byte, v uint64) {
	if v != 0 {
		f.begin(number)
		f.b = appendUint(f.b, v)
	}
}

// Bool adds a bool.
func (f *Fields) Bool(number byte, v bool) {
	if v {
		f.Uint(number, 1)
	}
}

// Bytes adds a []byte.
func (f *Fields) Bytes(number byte, v []byte) {
	if len(v) > 0 {
		f.begin(number)
		f.b = append(appendUint(f.b, uint64(len(v))), v...)
	}
}

// Text adds a string.
func (f *Fields) Text(number byte, v string) {
	if v != "" {
		f.begin(number)
		f.b = append(appendUint(f.b, uint64(len(v))), v...)
	}
}

// Own adds a value that encodes itself. It is zero if all its bytes are.
func (f *Fields) Own(number byte, v []byte) {
	for _, c := range v {
		if c != 0 {
			f.Bytes(number, v)
			return
		}
	}
}

// appendUint writes a number as gob does.
func appendUint(dst []byte, n uint64) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], n)
	zeros := bits.LeadingZeros64(n) / 8
	return append(append(dst, byte(zeros-8)), all[zeros:]...)
}

// appendInt writes a signed number as gob does.
func appendInt(dst []byte, n int64) []byte {
	u := uint64(n) << 1
	if n < 0 {
		u = ^u
	}
	return appendUint(dst, u)
}

// Writer writes the values of one stream. It encodes each [rpc.Request],
// [rpc.Response] and [Fielder] itself, and uses encoding/gob for their definitions
// and for all other values.
type Writer struct {
	enc     *gob.Encoder // writes to out
	out     []byte       // what Append appends to
	ids     []typeID     // of the types that the Writer encodes itself
	defines bool         // enc writes a value only to define its type; the value is discarded
	id      int64        // the type's number in that value
	fields  Fields
}

// typeID is a type and its number in the stream.
type typeID struct {
	typ reflect.Type
	id  int64
}

// NewWriter returns a Writer for a new stream.
func NewWriter() *Writer {
	w := new(Writer)
	w.enc = gob.NewEncoder(encoderOutput{w})
	return w
}

// Append appends v to dst, with the definitions that v is the first to need.
func (w *Writer) Append(dst []byte, v any) ([]byte, error) {
	w.out = dst
	var err error
	switch v := v.(type) {
	case *rpc.Request:
		err = w.write(v, (*requestHead)(v))
	case *rpc.Response:
		err = w.write(v, (*responseHead)(v))
	case Fielder:
		err = w.write(v, v)
	default:
		err = w.enc.Encode(v)
	}
	dst, w.out = w.out, nil
	return dst, err
}

// idOf returns the number of the type of v, a pointer to a struct. Before the first
// value of the type it makes enc define the type.
func (w *Writer) idOf(v any) (int64, error) {
	typ := reflect.TypeOf(v)
	for _, known := range w.ids {
		if known.typ == typ {
			return known.id, nil
		}
	}
	w.defines = true
	err := w.enc.EncodeValue(reflect.New(typ.Elem()))
	w.defines = false
	w.ids = append(w.ids, typeID{typ, w.id})
	return w.id, err
}

// maxKeptFields is the largest capacity of the buffer for fields that is kept.
const maxKeptFields = 512

// write writes the value v: its length, the number of its type, its fields, and
// an end.
func (w *Writer) write(v any, fields Fielder) error {
	id, err := w.idOf(v)
	if err != nil {
		return err
	}
	f := &w.fields
	f.b, f.last = appendInt(f.b[:0], id), 0
	number, tail := fields.GobFields(f)
	if len(tail) > 0 {
		f.begin(number)
		f.b = appendUint(f.b, uint64(len(tail)))
	}
	w.out = appendUint(w.out, uint64(len(f.b)+len(tail)+1))
	w.out = append(append(append(w.out, f.b...), tail...), 0) // 0 ends a struct
	if cap(f.b) > maxKeptFields {
		f.b = nil
	}
	return nil
}

// encoderOutput receives the messages of a Writer's encoder, a whole one each time.
type encoderOutput struct{ w *Writer }

func (o encoderOutput) Write(message []byte) (int, error) {
	w := o.w
	if w.defines {
		in := reader{b: message}
		in.uint()
		if id := in.int(); id > 0 {
			w.id = id
			return len(message), nil
		}
	}
	w.out = append(w.out, message...)
	return len(message), nil
}
