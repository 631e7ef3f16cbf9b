package wire

import (
	"encoding/binary"
	"encoding/gob"
	"io"
	"math/bits"
	"net/rpc"
)

// gobwrite.go writes the values of which every call and reply has some: heads,
// batches and what answers them. encoding/gob defines their types at the
// beginning of the stream, and writes all else. By itself it would copy the
// events of a batch twice, keep room for the largest in each connection's
// encoder as long as that lives, and take most of what a call costs.

// fielded is a struct that is written so.
type fielded interface {
	// gobFields adds the fields that are not zero, in the order of their
	// numbers, which count from 1. The last one, where it is long, is returned
	// in place of that.
	gobFields(f *gobFields) (number byte, tail []byte)
}

func (b *Batch) gobFields(f *gobFields) (byte, []byte) {
	f.uint(1, b.Next)
	f.uint(2, b.Missed)
	f.uint(3, uint64(b.Pending))
	f.uint(4, uint64(b.Snapshot))
	f.uint(5, uint64(b.Count))
	f.bytes(6, b.Types)
	return 7, b.Events
}

func (a *Ack) gobFields(f *gobFields) (byte, []byte) {
	f.uint(1, a.Next)
	f.uint(2, uint64(a.Room))
	f.bool(3, a.Held)
	return 0, nil
}

func (p *Page) gobFields(f *gobFields) (byte, []byte) {
	f.own(1, p.Epoch[:])
	f.uint(2, p.Next)
	f.uint(3, p.Missed)
	f.uint(4, uint64(p.Count))
	f.bytes(5, p.Types)
	f.bool(6, p.More)
	return 7, p.Events
}

type requestHead rpc.Request

func (r *requestHead) gobFields(f *gobFields) (byte, []byte) {
	f.text(1, r.ServiceMethod)
	f.uint(2, r.Seq)
	return 0, nil
}

type responseHead rpc.Response

func (r *responseHead) gobFields(f *gobFields) (byte, []byte) {
	f.text(1, r.ServiceMethod)
	f.uint(2, r.Seq)
	f.text(3, r.Error)
	return 0, nil
}

// gobFields is a struct's fields, as gob writes them.
type gobFields struct {
	b    []byte
	last byte // number of the last field
}

func (f *gobFields) begin(number byte) {
	f.b = append(f.b, number-f.last)
	f.last = number
}

func (f *gobFields) uint(number byte, v uint64) {
	if v != 0 {
		f.begin(number)
		f.b = appendUint(f.b, v)
	}
}

func (f *gobFields) bool(number byte, v bool) {
	if v {
		f.uint(number, 1)
	}
}

func (f *gobFields) bytes(number byte, v []byte) {
	if len(v) > 0 {
		f.begin(number)
		f.b = append(appendUint(f.b, uint64(len(v))), v...)
	}
}

func (f *gobFields) text(number byte, v string) {
	if v != "" {
		f.begin(number)
		f.b = append(appendUint(f.b, uint64(len(v))), v...)
	}
}

// own is a value that encodes itself, a UUID: all zeros are zero.
func (f *gobFields) own(number byte, v []byte) {
	for _, c := range v {
		if c != 0 {
			f.bytes(number, v)
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

// gobWriter writes the values of one stream.
type gobWriter struct {
	enc     *gob.Encoder
	to      io.Writer
	ids     [fieldedTypes]int64 // of the types that are defined; 0 for those that are not
	defines bool                // enc is to define a type, and what it writes of a value is not sent
	id      int64               // of that value
	fields  gobFields
	size    []byte
}

// The fielded types.
const (
	requestType = iota
	responseType
	batchType
	ackType
	pageType
	fieldedTypes
)

// zeros are values of them.
var zeros = [fieldedTypes]any{&rpc.Request{}, &rpc.Response{}, &Batch{}, &Ack{}, &Page{}}

func newGobWriter() *gobWriter {
	w := new(gobWriter)
	w.enc = gob.NewEncoder((*gobMessages)(w))
	return w
}

// encode writes v, with the definitions that it is the first to need.
func (w *gobWriter) encode(to io.Writer, v any) error {
	w.to = to
	switch v := v.(type) {
	case *rpc.Request:
		return w.write(requestType, (*requestHead)(v))
	case *rpc.Response:
		return w.write(responseType, (*responseHead)(v))
	case *Batch:
		return w.write(batchType, v)
	case *Ack:
		return w.write(ackType, v)
	case *Page:
		return w.write(pageType, v)
	}
	return w.enc.Encode(v)
}

// define has the encoder define a type. It does so before the first value of
// the type, and at no other time.
func (w *gobWriter) define(typ int) error {
	w.defines = true
	err := w.enc.Encode(zeros[typ])
	w.defines = false
	w.ids[typ] = w.id
	return err
}

// maxKeptFields is the capacity over which the room for fields is not kept.
const maxKeptFields = 512

// write writes a value: its length, its type, its fields and an end.
func (w *gobWriter) write(typ int, v fielded) error {
	if w.ids[typ] == 0 {
		if err := w.define(typ); err != nil {
			return err
		}
	}
	f := &w.fields
	f.b, f.last = appendInt(f.b[:0], w.ids[typ]), 0
	number, tail := v.gobFields(f)
	if len(tail) > 0 {
		f.begin(number)
		f.b = appendUint(f.b, uint64(len(tail)))
	}
	w.size = appendUint(w.size[:0], uint64(len(f.b)+len(tail)+1))
	for _, part := range [...][]byte{w.size, f.b, tail, structEnd} {
		if _, err := w.to.Write(part); err != nil {
			return err
		}
	}
	if cap(f.b) > maxKeptFields {
		f.b = nil
	}
	return nil
}

// structEnd is what stands behind the last field.
var structEnd = []byte{0}

// gobMessages takes what the encoder writes, a whole message each time.
type gobMessages gobWriter

func (w *gobMessages) Write(message []byte) (int, error) {
	if w.defines {
		in := gobReader{b: message}
		in.uint()
		if id := in.int(); id > 0 {
			w.id = id
			return len(message), nil
		}
	}
	return w.to.Write(message)
}
