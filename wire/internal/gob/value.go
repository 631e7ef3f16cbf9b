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

// value.go reads values. It allocates what they hold and nothing else. An
// element of a list costs its reader its size in memory, however few bytes it
// has in the stream, so the number of elements in a value is bounded.

// valueReader reads the values of one stream.
type valueReader struct {
	in       reader
	behind   int             // bytes behind the value that is being read
	whole    int             // bytes of memory that it lies in
	elements uint64          // of the slices in it
	word     string          // the last string, which often comes again
	words    strings.Builder // where strings lie together
	borrowed bool            // a []byte lies where it was read from
	over     error           // set if a slice in the value is over its own bound
	pointers []any           // to the fields of the struct that is read into; nil for none
}

// message goes on with the next message, of a definition or of a value, and
// returns it and the number of its type, negated for a definition.
func (d *valueReader) message() (msg reader, id int64, err error) {
	msg = reader{b: d.in.string()}
	id = msg.int()
	if d.in.bad || msg.bad {
		return msg, 0, errorf("a gob message that is cut off")
	}
	if id >= 0 && !plainType(id) {
		return msg, 0, errorf("a gob value of a type that is not taken here")
	}
	return msg, id, nil
}

// part is message where not all has come: the message may be cut off. It has
// size bytes, its length apart, when it is whole.
func (d *valueReader) part() (msg reader, size int, cut bool) {
	size = int(min(d.in.uint(), math.MaxInt/2)) // to which something can be added
	msg.b = d.in.b[d.in.at:][:min(size, d.in.left())]
	d.in.at += len(msg.b)
	return msg, size, len(msg.b) < size
}

// value reads the value in msg into v, by step.
func (d *valueReader) value(msg reader, step *readStep, v reflect.Value) (err error) {
	defer func() { // a type that decodes itself may panic
		if p := recover(); p != nil {
			err = errorf("a gob value cannot be read: %.256s", fmt.Sprint(p))
		}
	}()
	rest := d.in
	d.in, d.behind, d.elements, d.over = msg, rest.left(), 0, nil
	if step.do != setStruct && step.do != skipStruct {
		d.check(d.in.uint() == 0) // it stands before what is no struct
	}
	if step.do == setStruct {
		d.fields(step.plan, v, d.pointers)
	} else {
		d.read(step, v)
	}
	bad := d.in.bad || d.in.left() > 0
	d.in = rest
	switch {
	case d.tooMany():
		return errorf("more than %d elements of slices in a gob value", maxElements)
	case d.over != nil:
		return d.over
	case bad:
		return errorf("a gob value that does not hold what it says")
	}
	return nil
}

// fieldPointers returns a pointer to each field of the struct v, nil for a field
// that is not exported. If many values are read into one struct, reading through
// these pointers is several times as fast as finding the fields by reflection.
func fieldPointers(v reflect.Value) []any {
	pointers := make([]any, v.NumField())
	for i := range pointers {
		if f := v.Field(i); f.CanInterface() {
			pointers[i] = f.Addr().Interface()
		}
	}
	return pointers
}

// fields reads a struct into v. Pointers is what fieldPointers returned for v, or
// nil.
func (d *valueReader) fields(plan *readPlan, v reflect.Value, pointers []any) {
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
		switch step := &plan.steps[n]; {
		case step.do <= skipStruct:
			d.skip(step)
		case pointers == nil || !d.setPointer(pointers[step.target]):
			d.set(step, v.Field(int(step.target)))
		}
	}
}

// setPointer reads a value into what target points to, and reports whether that
// is of a kind that is read here.
func (d *valueReader) setPointer(target any) bool {
	switch p := target.(type) {
	case *int64:
		*p = d.in.int()
	case *int:
		n := d.in.int()
		*p = int(n)
		d.check(int64(*p) == n)
	case *uint64:
		*p = d.in.uint()
	case *string:
		*p = d.text()
	default:
		return false
	}
	return true
}

// read reads a value, into v where it has a place there.
func (d *valueReader) read(step *readStep, v reflect.Value) {
	if step.do <= skipStruct {
		d.skip(step)
		return
	}
	d.set(step, v)
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
		d.check(setInteger(v, d.in.int()))
	case setUint:
		d.check(setUnsigned(v, d.in.uint()))
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
		d.fields(step.plan, v, nil)
	}
}

// check takes note of a value that does not fit.
func (d *valueReader) check(ok bool) {
	if !ok {
		d.in.fault()
	}
}

func setInteger(v reflect.Value, n int64) bool {
	if v.OverflowInt(n) {
		return false
	}
	v.SetInt(n)
	return true
}

func setUnsigned(v reflect.Value, n uint64) bool {
	if v.OverflowUint(n) {
		return false
	}
	v.SetUint(n)
	return true
}

// maxWords is how many bytes of strings lie together, and so how many one of
// them keeps from being collected.
const maxWords = 512

// text reads a string. A long one is kept by nobody but who asked for it.
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

// bytes reads a []byte. What is most of the memory that it lies in is not copied.
func (d *valueReader) bytes() []byte {
	b := d.in.string()
	if 2*len(b) < d.whole || len(b) == 0 {
		return append([]byte(nil), b...)
	}
	d.borrowed = true
	return b
}

// tooMany reports whether the value has had more elements than it may.
func (d *valueReader) tooMany() bool { return d.elements > maxElements }

// count reads how many elements a slice has.
func (d *valueReader) count() int {
	n := min(d.in.uint(), 1<<32)
	d.elements += n
	if d.tooMany() || n > uint64(d.in.left()) { // an element has a byte at least
		d.in.fault()
		return 0
	}
	return int(n)
}

// skip passes over a value.
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
		d.fields(step.plan, reflect.Value{}, nil)
	}
}
