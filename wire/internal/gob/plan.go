package gob

import (
	"encoding"
	"encoding/gob"
	"reflect"
)

// plan.go decides how the values of a type in the stream become values of a type
// of ours: once for each type, and not for each value.

// readStep is how one value is read: an element, a field, or a whole value.
type readStep struct {
	do     action
	target int16     // index of our field; -1 for no field
	ptr    bool      // our type is a pointer to the type that is set
	bits   uint8     // the most bits that a number or bool may have in the stream; 0 for other types, also for a pointer to one
	plan   *readPlan // of a slice or a struct
}

// readPlan is how the fields of a struct are read, or the elements of a slice,
// which have one step.
type readPlan struct {
	steps []readStep
	bound Bounded // for a slice type that is Bounded; else nil
}

// Bounded is a slice type that bounds the number of its elements.
type Bounded interface {
	// Bound returns an error if n elements are too many. It is called before
	// they are allocated.
	Bound(n int) error
}

// action is what happens to a value in the stream.
type action uint8

const (
	skipNumber action = iota // bool, int, uint, float
	skipBytes                // []byte, string, and types that encode themselves
	skipComplex
	skipSlice
	skipStruct

	setBool // this action and those below set a value of ours
	setInt
	setUint
	setFloat
	setString
	setBytes
	setOwn    // by GobDecode of our type
	setBinary // by UnmarshalBinary of our type
	setSlice
	setStruct
)

// planner makes the plan of a type, and those of the types within it.
type planner struct {
	types *typeTable
	made  map[typePair]*readPlan // nil while it is made
	steps int                    // in all plans
	err   error                  // the first
}

// typePair is a type of the stream and the type of ours that it becomes, nil if it
// is skipped.
type typePair struct {
	id   int64
	ours reflect.Type
}

// plan returns how values of type id are read into ours, and how many steps that
// takes in all. As in encoding/gob, fields match by name, and the sizes of numbers
// may differ. A field that ours lacks is skipped, and one that the stream lacks
// stays zero. plan returns an error for a type that is not defined, for one that
// ours cannot hold, and for a struct that has no field in common with ours, which
// encoding/gob refuses only at the top.
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
	case setInt, setUint:
		if !s.ptr {
			s.bits = uint8(ours.Bits())
		}
	case setBool:
		if !s.ptr {
			s.bits = 64
		}
	case skipSlice, skipStruct, setSlice, setStruct:
		s.plan = p.within(typePair{ref.id, ours})
	}
	return s
}

// skips returns how a value is skipped; t is its type, nil for a basic type.
func skips(id int64, t *typeDef) action {
	switch {
	case t != nil && t.kind == kindSlice:
		return skipSlice
	case t != nil && t.kind == kindStruct:
		return skipStruct
	case id == idComplex:
		return skipComplex
	case t == nil && id != idBytes && id != idString:
		return skipNumber
	}
	return skipBytes
}

// sets returns how a value becomes one of ours, skipNumber if it cannot.
func sets(id int64, t *typeDef, ours reflect.Type) action {
	pointer := reflect.PointerTo(ours)
	own := pointer.Implements(reflect.TypeFor[gob.GobDecoder]())
	binary := pointer.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]())
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

// within plans a slice or a struct. Each pair is planned once, however often it
// occurs. A pair that is met while it is planned contains itself.
func (p *planner) within(pair typePair) *readPlan {
	plan, met := p.made[pair]
	if met && plan == nil {
		p.fail("a gob type that contains itself")
	}
	if met {
		return plan
	}
	p.made[pair] = nil
	t := p.types.byID[pair.id]
	plan = &readPlan{steps: make([]readStep, len(t.refs))}
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
	p.made[pair] = plan
	return plan
}

// part returns what the field name of a struct, or an element of a slice, becomes.
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
