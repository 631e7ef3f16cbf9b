package wire

// guard.go takes in the type definitions of a gob stream, and refuses what the
// protocol has no use for. No decoder of encoding/gob reads what a peer sends,
// because that decoder is not hardened: a map that nobody asked for makes it
// count to 2^62, a type that contains itself overflows the stack, a length
// without bytes makes it allocate, and it keeps definitions without end.

// gob's own numbers: the types that need no definition, the first one that
// does, and the fields of a definition, of which exactly one is set.
const (
	gobBool    = 1
	gobInt     = 2
	gobUint    = 3
	gobFloat   = 4
	gobBytes   = 5
	gobString  = 6
	gobComplex = 7 // the last basic type; 8 is interface

	gobFirstUser = 64

	gobArray  = 1
	gobSlice  = 2
	gobStruct = 3
	gobMap    = 4
	gobOwn    = 5 // of a type that encodes itself, as a GobEncoder
	gobBinary = 6 // the same, as a BinaryMarshaler
	gobText   = 7 // the same, as a TextMarshaler
)

// gobTypes is what the definitions of one gob stream say.
type gobTypes struct {
	byID  map[int64]*gobType
	refs  int // of all types
	bytes int // of all definitions
}

// gobType is one defined type.
type gobType struct {
	kind uint64   // gobSlice, gobStruct, or one that encodes itself
	refs []gobRef // the element, or the fields
}

// gobRef is a field of a struct, or the element of a slice, which has no name.
type gobRef struct {
	name string
	id   int64
}

// plainGobType reports whether values of the type may come: a basic type but
// interface, or a defined one. What gob knows besides is its own.
func plainGobType(id int64) bool { return id > 0 && id <= gobComplex || id >= gobFirstUser }

// define takes in one definition, def, of a message of size bytes. It returns an
// [ProtocolError] where that is malformed, defines maps, interfaces, arrays or
// types that contain themselves, or makes more than the bounds.
func (g *gobTypes) define(id int64, def gobReader, size int) error {
	if err := g.fits(size); err != nil {
		return err
	}
	g.bytes += size
	kind, refs := def.definition(maxFields)
	g.refs += len(refs)
	switch _, known := g.byID[id]; {
	case kind == gobArray || kind == gobMap:
		return Errorf(ProtocolError, "a gob definition of a map or an array")
	case def.bad || def.left() > 0 || kind == 0:
		return Errorf(ProtocolError, "a gob type definition that is malformed")
	case known || id < gobFirstUser:
		return Errorf(ProtocolError, "a gob type that is defined already")
	case len(g.byID) >= maxTypes || g.refs > maxFields:
		return Errorf(ProtocolError, "more than %d gob types, or %d fields in all", maxTypes, maxFields)
	}
	for _, ref := range refs {
		if !plainGobType(ref.id) {
			return Errorf(ProtocolError, "a gob definition with an interface")
		}
	}
	if g.byID == nil {
		g.byID = make(map[int64]*gobType)
	}
	g.byID[id] = &gobType{kind: kind, refs: refs}
	if g.reaches(id, id, make(map[int64]bool)) {
		return Errorf(ProtocolError, "a gob type that contains itself")
	}
	return nil
}

// fits returns an error where the definitions with one more of size bytes are
// over their bound.
func (g *gobTypes) fits(size int) error {
	if g.bytes+size > maxDefinitionBytes {
		return Errorf(ProtocolError, "more than %d bytes of gob type definitions", maxDefinitionBytes)
	}
	return nil
}

// reaches reports whether a value of type from may hold one of type to.
func (g *gobTypes) reaches(from, to int64, seen map[int64]bool) bool {
	t := g.byID[from]
	if t == nil {
		return false
	}
	for _, ref := range t.refs {
		if ref.id == to {
			return true
		}
		if !seen[ref.id] {
			seen[ref.id] = true
			if g.reaches(ref.id, to, seen) {
				return true
			}
		}
	}
	return false
}

// fields reads a struct; field reads the one of that number, counted from 1.
func (r *gobReader) fields(field func(n uint64)) {
	for n := uint64(0); ; {
		delta := r.uint()
		if delta == 0 {
			return
		}
		if n += delta; n > 64 {
			r.fault()
			return
		}
		field(n)
	}
}

// definition reads gob's wireType and returns its kind, which is the one field
// that is set, and the types that it refers to. Of a kind that is not taken it
// reads no more.
func (r *gobReader) definition(most int) (kind uint64, refs []gobRef) {
	r.fields(func(n uint64) {
		if kind != 0 || n == gobArray || n == gobMap || n > gobText {
			r.fault()
		} else {
			refs = r.body(n, most)
		}
		kind = n
	})
	return kind, refs
}

// body reads one kind of definition: its name and number, and what it holds.
func (r *gobReader) body(kind uint64, most int) (refs []gobRef) {
	r.fields(func(n uint64) {
		switch {
		case n == 1:
			r.named()
		case n == 2 && kind == gobSlice:
			refs = append(refs, gobRef{id: r.int()})
		case n == 2 && kind == gobStruct:
			for range r.uint() {
				if refs = append(refs, r.named()); r.bad || len(refs) > most {
					r.fault()
					return
				}
			}
		default:
			r.fault()
		}
	})
	return refs
}

// named reads a name and a type's number, as a definition's head and each of
// its fields has them.
func (r *gobReader) named() (ref gobRef) {
	r.fields(func(n uint64) {
		switch n {
		case 1:
			ref.name = string(r.string())
		case 2:
			ref.id = r.int()
		default:
			r.fault()
		}
	})
	return ref
}
