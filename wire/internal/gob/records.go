package gob

import (
	"math"
	"reflect"
)

// Records reads values of one type that arrive apart from their type definitions.
// After an error it cannot be used.
type Records struct {
	types typeTable
	id    int64     // the type's number; 0 before the first value
	step  *readStep // how its values become values of the caller's type
	valueReader
	into any // the struct that the pointers point into
}

// Define reads definitions, which no value may stand between.
func (r *Records) Define(definitions []byte) error {
	if err := r.types.fits(len(definitions)); err != nil {
		return err
	}
	for d := (valueReader{in: reader{b: definitions}}); d.in.left() > 0; {
		size := d.in.left()
		msg, id, err := d.message()
		if err == nil && id > 0 {
			err = errorf("a gob value among definitions")
		}
		if err == nil {
			err = r.types.define(-id, msg, size-d.in.left())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Take begins to read data. The caller must not change data before its last value
// is decoded.
func (r *Records) Take(data []byte) {
	r.in = reader{b: data}
	r.whole = math.MaxInt // so that no value borrows the memory of data
}

// Left returns how many bytes have not been read.
func (r *Records) Left() int { return r.in.left() }

// Decode reads the next value into the struct that v points to, which is of the
// same type each time. Decoding into the same struct again is fast.
func (r *Records) Decode(v any) error {
	target := reflect.ValueOf(v).Elem()
	if r.into != v {
		r.into, r.pointers = v, fieldPointers(target)
	}
	msg, id, err := r.message()
	switch {
	case err != nil:
		return err
	case id < 0:
		return errorf("a gob definition among values")
	case r.step == nil:
		step, _, err := r.types.plan(id, target.Type())
		if err != nil {
			return err
		}
		r.step, r.id = &step, id
	case id != r.id:
		return errorf("values of two gob types")
	}
	return r.value(msg, r.step, target)
}
