package gob

import (
	"math"
	"reflect"
	"strings"
)

// Records reads values of one type that arrive apart from their type definitions.
// After an error it cannot be used.
type Records struct {
	types typeTable
	id    int64     // the type's number; 0 before the first value
	step  *readStep // how its values become values of the caller's type
	valueReader
	current *readStep // of the field that Text, Into or IntoApart reads
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

// Decode reads the next value as a struct of the type ours, which is the same in each
// call. The caller holds the fields of the struct. If field i is a number or a bool,
// Decode sets numbers[i], to zero if the value lacks the field. For each other field
// that the value has, Decode calls other with i, and other reads the field with Text,
// Into or IntoApart.
func (r *Records) Decode(ours reflect.Type, numbers []int64, other func(i int)) error {
	msg, id, err := r.message()
	switch {
	case err != nil:
		return err
	case id < 0:
		return errorf("a gob definition among values")
	case r.step == nil:
		step, _, err := r.types.plan(id, ours)
		if err != nil {
			return err
		}
		r.step, r.id = &step, id
	case id != r.id:
		return errorf("values of two gob types")
	}
	clear(numbers)
	return r.within(msg, func() { r.fields(numbers, other) })
}

// fields reads the struct. at, the place in it, is a local variable, because updating
// one in memory would take half of the time.
func (r *Records) fields(numbers []int64, other func(i int)) {
	steps, b, at := r.step.plan.steps, r.in.b, r.in.at
	var step *readStep // of the number that comes next; nil for the distance to the next field
	for n := -1; ; {
		var v uint64
		if at < len(b) && b[at] < 0x80 {
			v = uint64(b[at])
			at++
		} else if v, at = long(b, at); at < 0 {
			break
		}
		if step != nil {
			if v>>step.bits != 0 {
				break
			}
			if step.do == setInt {
				v = v>>1 ^ -(v & 1)
			}
			numbers[step.target] = int64(v)
			step = nil
			continue
		}
		if v == 0 {
			r.in.at = at
			return
		}
		if v > uint64(len(steps)-1-n) {
			break
		}
		n += int(v)
		if step = &steps[n]; step.bits == 0 {
			r.in.at = at
			r.field(step, other)
			step, at = nil, r.in.at
		}
	}
	r.in.fault()
}

// field reads a field that is neither a number nor a bool.
func (r *Records) field(step *readStep, other func(i int)) {
	if step.do <= skipStruct {
		r.skip(step)
		return
	}
	r.current = step
	other(int(step.target))
}

// Text reads the field, a string.
func (r *Records) Text() string { return r.text() }

// Into reads the field into the variable that v points to, of the field's type.
func (r *Records) Into(v any) { r.set(r.current, reflect.ValueOf(v).Elem()) }

// IntoApart is Into for a value that is kept for longer than others: its strings
// share no memory with those of other fields.
func (r *Records) IntoApart(v any) {
	behind := r.behind
	r.words, r.word, r.behind = strings.Builder{}, "", 0
	r.Into(v)
	r.words, r.word, r.behind = strings.Builder{}, "", behind
}
