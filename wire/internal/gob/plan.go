package gob

import (
	"encoding"
	"encoding/gob"
	"reflect"
)

// plan.go finds out how the values of a stream become values of our types:
// once for each type, and not for each value.

// readStep is how one value is read: as an element, as a field, or by itself.
type readStep struct {
	do     action
	target int16     // the field of ours; -1 for no field
	ptr    bool      // the field is a pointer to what is set
	plan   *readPlan // of a slice or a struct
}

// readPlan is how a struct's fields are read, or a slice's elements, for which
// there is one step.
type readPlan struct {
	steps []readStep
	bound Bounded // of a slice that has a bound of its own; nil for none
}

// Bounded is a slice type that bounds its number of elements.
type Bounded interface {
	// Bound returns an error if n elements are too many. It is called before
	// room is made for them.
	Bound(n int) error
}

// action is what is done with a value that stands in the stream.
type action uint8

const (
	skipNumber action = iota // bool, int, uint, float
	skipBytes                // []byte, string, and what encodes itself
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

// planner makes one plan, and those within it.
type planner struct {
	types *typeTable
	made  map[typePair]*readPlan
	steps int   // in all of them
	err   error // the first
}

// typePair is a type of the stream and what it becomes, nil for nothing.
type typePair struct {
	id   int64
	ours reflect.Type
}

// plan returns how values of type id are read into ours, and how many steps
// that takes in all. As in gob, fields match by name; the numbers' sizes need
// not, and what the one side does not have is passed over or stays zero. The
// error tells of a type that is not defined, of one that ours cannot hold, or of
// a struct that has no field in common with ours, which gob refuses at the top
// alone.
func (g *typeTable) plan(id int64, ours reflect.Type) (readStep, int, error) {
	p := planner{types: g, made: make(map[typePair]*readPlan)}
	step := p.step(typeRef{id: id}, ours)
	step.target = -1
	return step, p.steps, p.err
}

func (p *planner) fail(format string, args ...any) readStep {
	if p.err == nil {
		p.err = errorf(format, args...)
	}
	return readStep{}
}

// step returns how one value is read.
func (p *planner) step(ref typeRef, ours reflect.Type) (s readStep) {
	if p.err != nil {
		return s
	}
	if ours != nil && ours.Kind() == reflect.Pointer {
		s.ptr, ours = true, ours.Elem()
	}
	if t := p.types.byID[ref.id]; ref.id > idComplex && t == nil {
		return p.fail("a gob value of a type that is not defined")
	} else if ours == nil {
		s.do = skips(ref.id, t)
	} else if s.do = sets(ref.id, t, ours); s.do <= skipStruct {
		return p.fail("a gob value that a field, or an argument, of type %v cannot hold", ours)
	}
	switch s.do {
	case skipSlice, skipStruct, setSlice, setStruct:
		s.plan = p.within(typePair{ref.id, ours})
	}
	return s
}

// skips returns how a value is passed over; t is its type where that is defined.
func skips(id int64, t *typeDef) action {
	switch {
	case id == idComplex:
		return skipComplex
	case id == idBytes || id == idString:
		return skipBytes
	case id < idComplex:
		return skipNumber
	case t.kind == kindSlice:
		return skipSlice
	case t.kind == kindStruct:
		return skipStruct
	}
	return skipBytes
}

// sets returns how a value becomes one of ours, skipNumber where it cannot.
func sets(id int64, t *typeDef, ours reflect.Type) action {
	own, binary := ownEncoding(ours)
	kind := ours.Kind()
	bytes := kind == reflect.Slice && ours.Elem().Kind() == reflect.Uint8
	switch {
	case own || binary:
		if t != nil && t.kind == kindGob && own {
			return setOwn
		} else if t != nil && t.kind == kindBinary && binary && !own {
			return setBinary
		}
	case id == idBool && kind == reflect.Bool:
		return setBool
	case id == idInt && kind >= reflect.Int && kind <= reflect.Int64:
		return setInt
	case id == idUint && kind >= reflect.Uint && kind <= reflect.Uint64:
		return setUint
	case id == idFloat && (kind == reflect.Float32 || kind == reflect.Float64):
		return setFloat
	case id == idString && kind == reflect.String:
		return setString
	case id == idBytes && bytes:
		return setBytes
	case t != nil && t.kind == kindSlice && kind == reflect.Slice && !bytes:
		return setSlice
	case t != nil && t.kind == kindStruct && kind == reflect.Struct:
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
func (p *planner) within(pair typePair) *readPlan {
	if plan := p.made[pair]; plan != nil {
		return plan
	}
	t := p.types.byID[pair.id]
	plan := &readPlan{steps: make([]readStep, len(t.refs))}
	p.made[pair] = plan
	if pair.ours != nil {
		plan.bound, _ = reflect.Zero(pair.ours).Interface().(Bounded)
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
func (pair typePair) part(t *typeDef, name string) (ours reflect.Type, field int16) {
	switch {
	case pair.ours == nil:
		return nil, -1
	case t.kind == kindSlice:
		return pair.ours.Elem(), -1
	}
	f, ok := pair.ours.FieldByName(name)
	if !ok || !f.IsExported() || len(f.Index) > 1 {
		return nil, -1
	}
	return f.Type, int16(f.Index[0])
}
