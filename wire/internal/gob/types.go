package gob

// types.go keeps the type definitions of a gob stream. It refuses types that could
// make reading expensive: maps, arrays, interfaces, and too many types. The plan of
// a value refuses types that contain themselves.

// gob's own numbers: the types without a definition, the first type that has
// one, and the fields of a definition, of which exactly one is set.
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
	kindGob    = 5 // a type that encodes itself as a GobEncoder
	kindBinary = 6 // a type that encodes itself as a BinaryMarshaler
	kindText   = 7 // a type that encodes itself as a TextMarshaler
)

// The bounds of one stream.
const (
	maxTypes           = 128      // type definitions
	maxFields          = 2048     // fields and elements of all definitions
	maxDefinitionBytes = 32 << 10 // bytes of all definitions
	maxElements        = 4096     // elements of all slices in one value, but not bytes of a []byte
)

// typeTable holds the types that one gob stream has defined.
type typeTable struct {
	byID  map[int64]*typeDef
	refs  int // of all types
	bytes int // of all definitions
}

// typeDef is one defined type.
type typeDef struct {
	kind uint64    // kindSlice, kindStruct, or a kind that encodes itself
	refs []typeRef // the element, or the fields
}

// typeRef is a field of a struct, or the element of a slice, which has no name.
type typeRef struct {
	name string
	id   int64
}

// plainType reports whether the stream may hold values of the type: it is a basic
// type other than interface, or a defined type. gob uses the other numbers itself.
func plainType(id int64) bool { return id > 0 && id <= idComplex || id >= idFirstUser }

// define adds the definition def, from a message of size bytes. It returns an
// error if the definition is malformed, if it defines a map, an array or an
// interface, or if it exceeds a bound.
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
		return errorf("a gob type that is already defined")
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
	return nil
}

// fits returns an error if one more definition of size bytes exceeds the bound on
// the bytes of all definitions.
func (g *typeTable) fits(size int) error {
	if g.bytes+size > maxDefinitionBytes {
		return errorf("more than %d bytes of gob type definitions", maxDefinitionBytes)
	}
	return nil
}
