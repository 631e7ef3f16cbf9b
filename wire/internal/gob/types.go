package gob

// types.go takes in the type definitions of a gob stream, and refuses types that
// could make reading expensive: maps, arrays, interfaces, types that contain
// themselves, and too many of any.

// gob's own numbers: the types that need no definition, the first one that
// does, and the fields of a definition, of which exactly one is set.
const (
	idBool    = 1
	idInt     = 2
	idUint    = 3
	idFloat   = 4
	idBytes   = 5
	idString  = 6
	idComplex = 7 // the last basic type; 8 is interface

	idFirstUser = 64

	kindArray  = 1
	kindSlice  = 2
	kindStruct = 3
	kindMap    = 4
	kindGob    = 5 // of a type that encodes itself, as a GobEncoder
	kindBinary = 6 // the same, as a BinaryMarshaler
	kindText   = 7 // the same, as a TextMarshaler
)

// The bounds of what one stream may hold.
const (
	maxTypes           = 128      // type definitions in one stream
	maxFields          = 2048     // fields and elements that they define, in all
	maxDefinitionBytes = 32 << 10 // bytes of them, in all
	maxElements        = 4096     // elements of all slices in one value, slices of bytes apart
)

// typeTable is what the definitions of one gob stream say.
type typeTable struct {
	byID  map[int64]*typeDef
	refs  int // of all types
	bytes int // of all definitions
}

// typeDef is one defined type.
type typeDef struct {
	kind uint64    // kindSlice, kindStruct, or one that encodes itself
	refs []typeRef // the element, or the fields
}

// typeRef is a field of a struct, or the element of a slice, which has no name.
type typeRef struct {
	name string
	id   int64
}

// plainType reports whether values of the type may come: a basic type but
// interface, or a defined one. What gob knows besides is its own.
func plainType(id int64) bool { return id > 0 && id <= idComplex || id >= idFirstUser }

// define takes in one definition, def, of a message of size bytes. It returns an
// error where that is malformed, defines maps, interfaces, arrays or types that
// contain themselves, or makes more than the bounds.
func (g *typeTable) define(id int64, def reader, size int) error {
	if err := g.fits(size); err != nil {
		return err
	}
	g.bytes += size
	kind, refs := def.definition(maxFields)
	g.refs += len(refs)
	switch _, known := g.byID[id]; {
	case kind == kindArray || kind == kindMap:
		return errorf("a gob definition of a map or an array")
	case def.bad || def.left() > 0 || kind == 0:
		return errorf("a gob type definition that is malformed")
	case known || id < idFirstUser:
		return errorf("a gob type that is defined already")
	case len(g.byID) >= maxTypes || g.refs > maxFields:
		return errorf("more than %d gob types, or %d fields in all", maxTypes, maxFields)
	}
	for _, ref := range refs {
		if !plainType(ref.id) {
			return errorf("a gob definition with an interface")
		}
	}
	if g.byID == nil {
		g.byID = make(map[int64]*typeDef)
	}
	g.byID[id] = &typeDef{kind: kind, refs: refs}
	if g.reaches(id, id, make(map[int64]bool)) {
		return errorf("a gob type that contains itself")
	}
	return nil
}

// fits returns an error where the definitions with one more of size bytes are
// over their bound.
func (g *typeTable) fits(size int) error {
	if g.bytes+size > maxDefinitionBytes {
		return errorf("more than %d bytes of gob type definitions", maxDefinitionBytes)
	}
	return nil
}

// reaches reports whether a value of type from may hold one of type to.
func (g *typeTable) reaches(from, to int64, seen map[int64]bool) bool {
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
func (r *reader) fields(field func(n uint64)) {
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
func (r *reader) definition(most int) (kind uint64, refs []typeRef) {
	r.fields(func(n uint64) {
		if kind != 0 || n == kindArray || n == kindMap || n > kindText {
			r.fault()
		} else {
			refs = r.body(n, most)
		}
		kind = n
	})
	return kind, refs
}

// body reads one kind of definition: its name and number, and what it holds.
func (r *reader) body(kind uint64, most int) (refs []typeRef) {
	r.fields(func(n uint64) {
		switch {
		case n == 1:
			r.named()
		case n == 2 && kind == kindSlice:
			refs = append(refs, typeRef{id: r.int()})
		case n == 2 && kind == kindStruct:
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
func (r *reader) named() (ref typeRef) {
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
