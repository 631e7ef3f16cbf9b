package wire

import (
	"encoding"
	"encoding/gob"
	"reflect"
)

// gobplan.go finds out how the values of a stream become values of our types:
// once for each type, and not for each value.

// gobStep is how one value is read: as an element, as a field, or by itself.
type gobStep struct {
	do     gobAction
	target int16    // the field of ours; -1 for no field
	ptr    bool     // the field is a pointer to what is set
	plan   *gobPlan // of a slice or a struct
}

// gobPlan is how a struct's fields are read, or a slice's elements, for which
// there is one step.
type gobPlan struct {
	steps []gobStep
	bound bounded // of a slice that has a bound of its own; nil for none
}

// bounded is a slice type of this package that bounds its number of elements.
type bounded interface {
	// bound returns an error if n elements are too many. It is called before
	// room is made for them.
	bound(n int) error
}

// gobAction is what is done with a value that stands in the stream.
type gobAction uint8

const (
	skipNumber gobAction = iota // bool, int, uint, float
	skipBytes                   // []byte, string, and what encodes itself
	skipComplex
	skipSlice
	skipStruct

	setBool // and the rest: into ours
	setInt
	setUint
	setFloat
	setString
	setBytes
	setOwn    // by our type's GobDecode
	setBinary // by its UnmarshalBinary
	setSlice
	setStruct
)

// gobPlanner makes one plan, and those within it.
type gobPlanner struct {
	types *gobTypes
	made  map[gobPair]*gobPlan
	steps int   // in all of them
	err   error // the first
}

// gobPair is a type of the stream and what it becomes, nil for nothing.
type gobPair struct {
	id   int64
	ours reflect.Type
}

// plan returns how values of type id are read into ours, and how many steps
// that takes in all. As in gob, fields match by name; the numbers' sizes need
// not, and what the one side does not have is passed over or stays zero. The
// error is a [ProtocolError]: a type that is not defined, or that ours cannot
// hold, or a struct that has no field in common with ours, which gob refuses at
// the top alone.
func (g *gobTypes) plan(id int64, ours reflect.Type) (gobStep, int, error) {
	p := gobPlanner{types: g, made: make(map[gobPair]*gobPlan)}
	step := p.step(gobRef{id: id}, ours)
	step.target = -1
	return step, p.steps, p.err
}

func (p *gobPlanner) fail(format string, args ...any) gobStep {
	if p.err == nil {
		p.err = Errorf(ProtocolError, format, args...)
	}
	return gobStep{}
}

// step returns how one value is read.
func (p *gobPlanner) step(ref gobRef, ours reflect.Type) (s gobStep) {
	if p.err != nil {
		return s
	}
	if ours != nil && ours.Kind() == reflect.Pointer {
		s.ptr, ours = true, ours.Elem()
	}
	if t := p.types.byID[ref.id]; ref.id > gobComplex && t == nil {
		return p.fail("a gob value of a type that is not defined")
	} else if ours == nil {
		s.do = skips(ref.id, t)
	} else if s.do = sets(ref.id, t, ours); s.do <= skipStruct {
		return p.fail("a gob value that a field, or an argument, of type %v cannot hold", ours)
	}
	switch s.do {
	case skipSlice, skipStruct, setSlice, setStruct:
		s.plan = p.within(gobPair{ref.id, ours})
	}
	return s
}

// skips returns how a value is passed over; t is its type where that is defined.
func skips(id int64, t *gobType) gobAction {
	switch {
	case id == gobComplex:
		return skipComplex
	case id == gobBytes || id == gobString:
		return skipBytes
	case id < gobComplex:
		return skipNumber
	case t.kind == gobSlice:
		return skipSlice
	case t.kind == gobStruct:
		return skipStruct
	}
	return skipBytes
}

// sets returns how a value becomes one of ours, skipNumber where it cannot.
func sets(id int64, t *gobType, ours reflect.Type) gobAction {
	own, binary := ownEncoding(ours)
	kind := ours.Kind()
	bytes := kind == reflect.Slice && ours.Elem().Kind() == reflect.Uint8
	switch {
	case own || binary:
		if t != nil && t.kind == gobOwn && own {
			return setOwn
		} else if t != nil && t.kind == gobBinary && binary && !own {
			return setBinary
		}
	case id == gobBool && kind == reflect.Bool:
		return setBool
	case id == gobInt && kind >= reflect.Int && kind <= reflect.Int64:
		return setInt
	case id == gobUint && kind >= reflect.Uint && kind <= reflect.Uint64:
		return setUint
	case id == gobFloat && (kind == reflect.Float32 || kind == reflect.Float64):
		return setFloat
	case id == gobString && kind == reflect.String:
		return setString
	case id == gobBytes && bytes:
		return setBytes
	case t != nil && t.kind == gobSlice && kind == reflect.Slice && !bytes:
		return setSlice
	case t != nil && t.kind == gobStruct && kind == reflect.Struct:
		return setStruct
	}
	return skipNumber
}

// ownEncoding reports whether a type reads its own encoding, and of which kind.
func ownEncoding(t reflect.Type) (own, binary bool) {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[gob.GobDecoder]()), p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]())
}

// within plans a slice or a struct. Each pair is planned once, however often it
// occurs. No type contains itself.
func (p *gobPlanner) within(pair gobPair) *gobPlan {
	if plan := p.made[pair]; plan != nil {
		return plan
	}
	t := p.types.byID[pair.id]
	plan := &gobPlan{steps: make([]gobStep, len(t.refs))}
	p.made[pair] = plan
	if pair.ours != nil {
		plan.bound, _ = reflect.Zero(pair.ours).Interface().(bounded)
	}
	p.steps += len(t.refs)
	matched := false
	for i, ref := range t.refs {
		ours, target := pair.part(t, ref.name)
		plan.steps[i] = p.step(ref, ours)
		plan.steps[i].target = target
		matched = matched || ours != nil
	}
	if pair.ours != nil && len(t.refs) > 0 && !matched {
		p.fail("a gob value that has nothing in common with type %v", pair.ours)
	}
	return plan
}

// part returns what a struct's field, or a slice's element, becomes.
func (pair gobPair) part(t *gobType, name string) (ours reflect.Type, field int16) {
	switch {
	case pair.ours == nil:
		return nil, -1
	case t.kind == gobSlice:
		return pair.ours.Elem(), -1
	}
	f, ok := pair.ours.FieldByName(name)
	if !ok || !f.IsExported() || len(f.Index) > 1 {
		return nil, -1
	}
	return f.Type, int16(f.Index[0])
}
