package gob

import (
	"encoding"
	"encoding/gob"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"strings"
)

// value.go reads values. It allocates only what they hold.

// valueReader reads the values of one stream.
type valueReader struct {
	in       reader
	behind   int             // bytes after the value that is being read
	whole    int             // capacity of the memory that holds the value
	elements uint64          // elements of the slices in the value
	word     string          // the last string, which often repeats
	words    strings.Builder // memory that strings share
	borrowed bool            // a []byte was not copied
	over     error           // set if a slice in the value exceeds the bound of its type
}

// message returns the next message and the number of its type. The number is
// negative if the message is a definition, else the message is a value.
func (d *valueReader) message() (msg reader, id int64, err error) {
	msg = reader{b: d.in.string()}
	id = msg.int()
	if d.in.bad || msg.bad {
		return msg, 0, errorf("a gob message that is cut off")
	}
	if id >= 0 && !plainType(id) {
		return msg, 0, errorf("a gob value of a type that is not accepted")
	}
	return msg, id, nil
}

// part is message for a payload of which only the beginning has arrived: msg may
// be cut off. The whole message has size bytes after its length.
func (d *valueReader) part() (msg reader, size int, cut bool) {
	size = int(min(d.in.uint(), math.MaxInt/2)) // so that adding to it cannot overflow
	msg.b = d.in.b[d.in.at:][:min(size, d.in.left())]
	d.in.at += len(msg.b)
	return msg, size, len(msg.b) < size
}

// value reads the value in msg into v, by step.
func (d *valueReader) value(msg reader, step *readStep, v reflect.Value) error {
	return d.within(msg, func() {
		if step.do != setStruct && step.do != skipStruct {
			d.check(d.in.uint() == 0) // gob writes a zero before a value that is no struct
		}
		if step.do <= skipStruct {
			d.skip(step)
		} else {
			d.set(step, v)
		}
	})
}

// within calls read to read the value in msg, which must be all of it.
func (d *valueReader) within(msg reader, read func()) (err error) {
	defer func() { // a type that decodes itself may panic
		if p := recover(); p != nil {
			err = errorf("a gob value cannot be read: %.256s", fmt.Sprint(p))
		}
	}()
	rest := d.in
	d.in, d.behind, d.elements, d.over = msg, rest.left(), 0, nil
	read()
	bad := d.in.bad || d.in.left() > 0
	d.in = rest
	switch {
	case d.tooMany():
		return errorf("more than %d elements of slices in a gob value", maxElements)
	case d.over != nil:
		return d.over
	case bad:
		return errorf("a malformed gob value")
	}
	return nil
}

// fields reads a struct into v.
func (d *valueReader) fields(plan *readPlan, v reflect.Value) {
	for n := -1; ; {
		delta := d.in.uint()
		if delta == 0 {
			return
		}
		if delta > uint64(len(plan.steps)-1-n) {
			d.in.fault()
			return
		}
		n += int(delta)
		if step := &plan.steps[n]; step.do <= skipStruct {
			d.skip(step)
		} else {
			d.set(step, v.Field(int(step.target)))
		}
	}
}

// set reads a value into v.
func (d *valueReader) set(step *readStep, v reflect.Value) {
	if step.ptr {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	switch step.do {
	case setInt:
		n := d.in.int()
		d.check(!v.OverflowInt(n))
		v.SetInt(n)
	case setUint:
		n := d.in.uint()
		d.check(!v.OverflowUint(n))
		v.SetUint(n)
	case setString:
		v.SetString(d.text())
	case setBool:
		v.SetBool(d.in.uint() != 0)
	case setFloat:
		v.SetFloat(math.Float64frombits(bits.ReverseBytes64(d.in.uint())))
	case setBytes:
		v.SetBytes(d.bytes())
	case setOwn:
		d.check(v.Addr().Interface().(gob.GobDecoder).GobDecode(d.in.string()) == nil)
	case setBinary:
		d.check(v.Addr().Interface().(encoding.BinaryUnmarshaler).UnmarshalBinary(d.in.string()) == nil)
	case setSlice:
		n := d.count()
		if b := step.plan.bound; b != nil && d.over == nil {
			d.over = b.Bound(n)
		}
		if d.over != nil {
			d.in.fault()
			return
		}
		if n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := 0; i < n && !d.in.bad; i++ {
			d.set(&step.plan.steps[0], v.Index(i))
		}
	case setStruct:
		d.fields(step.plan, v)
	}
}

// check marks the value as bad if it does not fit.
func (d *valueReader) check(ok bool) {
	if !ok {
		d.in.fault()
	}
}

// maxWords bounds the memory that strings share, and so the bytes that one string
// keeps from being collected.
const maxWords = 512

// text reads a string. A long string shares no memory.
func (d *valueReader) text() string {
	b := d.in.string()
	if len(b) > maxWords {
		return string(b)
	}
	if string(b) == d.word {
		return d.word
	}
	if d.words.Cap()-d.words.Len() < len(b) {
		d.words = strings.Builder{}
		d.words.Grow(max(len(b), min(d.behind, maxWords)))
	}
	start := d.words.Len()
	d.words.Write(b)
	d.word = d.words.String()[start:]
	return d.word
}

// bytes reads a []byte. It is not copied if it is at least half of the memory that
// holds it.
func (d *valueReader) bytes() []byte {
	b := d.in.string()
	if 2*len(b) < d.whole || len(b) == 0 {
		return append([]byte(nil), b...)
	}
	d.borrowed = true
	return b
}

// tooMany reports whether the value has more elements than the bound allows.
func (d *valueReader) tooMany() bool { return d.elements > maxElements }

// count reads the number of elements of a slice.
func (d *valueReader) count() int {
	n := min(d.in.uint(), 1<<32)
	d.elements += n
	if d.tooMany() || n > uint64(d.in.left()) { // an element has at least one byte
		d.in.fault()
		return 0
	}
	return int(n)
}

// skip skips a value.
func (d *valueReader) skip(step *readStep) {
	switch step.do {
	case skipNumber:
		d.in.uint()
	case skipBytes:
		d.in.string()
	case skipComplex:
		d.in.uint()
		d.in.uint()
	case skipSlice:
		for range d.count() {
			if d.in.bad {
				return
			}
			d.skip(&step.plan.steps[0])
		}
	case skipStruct:
		d.fields(step.plan, reflect.Value{})
	}
}
