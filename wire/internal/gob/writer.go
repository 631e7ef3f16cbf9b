package gob

import (
	"bytes"
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
	// GobFields adds each field to f, in the order of the fields. If the last
	// field is a []byte that may be long, GobFields returns it instead.
	GobFields(f *Fields) (last []byte)
}

type requestHead rpc.Request

func (r *requestHead) GobFields(f *Fields) []byte {
	f.Text(r.ServiceMethod)
	f.Uint(r.Seq)
	return nil
}

type responseHead rpc.Response

func (r *responseHead) GobFields(f *Fields) []byte {
	f.Text(r.ServiceMethod)
	f.Uint(r.Seq)
	f.Text(r.Error)
	return nil
}

// Fields are the fields of a struct, as gob writes them.
type Fields struct {
	b     []byte
	delta byte // fields since the last one that was written
}

// add begins the next field and returns true, or leaves the field out if it is
// zero.
func (f *Fields) add(zero bool) bool {
	f.delta++
	if !zero {
		f.b = append(f.b, f.delta)
		f.delta = 0
	}
	return !zero
}

// Uint adds a number.
func (f *Fields) Uint(v uint64) {
	if f.add(v == 0) {
		f.b = appendUint(f.b, v)
	}
}

// Uints adds numbers, a signed one as Signed returns it.
func (f *Fields) Uints(values []uint64) {
	b, delta := f.b, f.delta
	for _, v := range values {
		if delta++; v == 0 {
			continue
		}
		if b, delta = append(b, delta), 0; v < 0x80 {
			b = append(b, byte(v))
		} else {
			b = appendUint(b, v)
		}
	}
	f.b, f.delta = b, delta
}

// Signed returns the form in which a signed number stands in the stream.
func Signed(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

// List adds a slice of n structs. It calls element to add the fields of each.
func (f *Fields) List(n int, element func(i int)) {
	if !f.add(n == 0) {
		return
	}
	f.b = appendUint(f.b, uint64(n))
	for i := range n {
		element(i)
		f.b, f.delta = append(f.b, 0), 0 // 0 ends a struct
	}
}

// Skip leaves out n fields that are zero.
func (f *Fields) Skip(n int) { f.delta += byte(n) }

// Bool adds a bool.
func (f *Fields) Bool(v bool) {
	if f.add(!v) {
		f.b = append(f.b, 1)
	}
}

// Bytes adds a []byte.
func (f *Fields) Bytes(v []byte) {
	if f.add(len(v) == 0) {
		f.b = append(appendUint(f.b, uint64(len(v))), v...)
	}
}

// Text adds a string.
func (f *Fields) Text(v string) {
	if f.add(v == "") {
		f.b = append(appendUint(f.b, uint64(len(v))), v...)
	}
}

// Own adds a value that encodes itself. It is zero if all its bytes are.
func (f *Fields) Own(v []byte) {
	if len(bytes.Trim(v, "\x00")) == 0 {
		v = nil
	}
	f.Bytes(v)
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
func appendInt(dst []byte, n int64) []byte { return appendUint(dst, Signed(n)) }

// Writer writes the values of one stream. It encodes each [rpc.Request],
// [rpc.Response] and [Fielder] itself, and uses encoding/gob for their definitions
// and for all other values.
type Writer struct {
	enc     *gob.Encoder // writes to out
	out     []byte       // what Append appends to
	ids     []typePair   // of the types that the Writer encodes itself
	defines bool         // enc writes a value only to define its type; the value is discarded
	id      int64        // the type's number in that value
	fields  Fields
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

// AppendAs appends a value of the struct type that v points to, whose fields are those
// that the Fielder adds. v itself may be nil.
func (w *Writer) AppendAs(dst []byte, v any, fields Fielder) ([]byte, error) {
	w.out = dst
	err := w.write(v, fields)
	dst, w.out = w.out, nil
	return dst, err
}

// idOf returns the number of the type of v, a pointer to a struct. Before the first
// value of the type it makes enc define the type.
func (w *Writer) idOf(v any) (int64, error) {
	typ := reflect.TypeOf(v)
	for _, known := range w.ids {
		if known.ours == typ {
			return known.id, nil
		}
	}
	w.defines = true
	err := w.enc.EncodeValue(reflect.New(typ.Elem()))
	w.defines = false
	w.ids = append(w.ids, typePair{w.id, typ})
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
	f.b, f.delta = appendInt(f.b[:0], id), 0
	last := fields.GobFields(f)
	if f.add(len(last) == 0) {
		f.b = appendUint(f.b, uint64(len(last)))
	}
	w.out = appendUint(w.out, uint64(len(f.b)+len(last)+1))
	w.out = append(append(append(w.out, f.b...), last...), 0) // 0 ends a struct
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
