package wire

// guard.go looks at gob before gob does. gob is not hardened: a map that nobody
// asked for makes it count to 2^62, a type that contains itself overflows the
// stack, a length without bytes makes it allocate, and definitions without end
// are kept.

// What the definitions of one gob stream may add up to. The protocol's own
// streams have about 30 types and 4 KiB.
const (
	maxGobTypes = 128
	maxGobRefs  = 2048 // fields and elements, over all types
	maxGobBytes = 32 << 10
)

// gob's own numbers: the types that need no definition, the first one that
// does, and the fields of a definition, of which exactly one is set.
const (
	gobLastBasic = 7 // bool, int, uint, float, []byte, string, complex; 8 is interface
	gobFirstUser = 64

	gobArray  = 1
	gobSlice  = 2
	gobStruct = 3
	gobMap    = 4
	gobText   = 7 // after types that encode themselves: 5 GobEncoder, 6 BinaryMarshaler
)

// gobGuard checks one gob stream, piece by piece. Its zero value is ready.
type gobGuard struct {
	types map[int64]*gobType
	refs  int // of all types
	bytes int // of all definitions

	// Of the values: see guardvalue.go.
	lastID   int64 // the type of the value before, and what it is
	lastType *gobType
	elements uint64 // of the slices in the value that is being looked at
}

// check returns an [ErrProtocol] where data is not whole gob messages, or
// defines what the protocol has no use for: maps, interfaces, arrays, types
// that contain themselves, and more than the bounds; and where a value claims
// more elements than it has, or has more than the bound.
func (g *gobGuard) check(data []byte) error {
	in := gobReader{b: data}
	for len(in.b) > 0 {
		msg := gobReader{b: in.string()}
		size := len(msg.b)
		id := msg.int()
		switch {
		case in.bad || msg.bad:
			return Errorf(CodeProtocol, "a gob message that is cut off")
		case id < 0:
			if g.bytes += size; g.bytes > maxGobBytes {
				return Errorf(CodeProtocol, "more than %d bytes of gob type definitions", maxGobBytes)
			}
			if err := g.define(-id, &msg); err != nil {
				return err
			}
		case !plainGobType(id):
			return Errorf(CodeProtocol, "a gob value of a type that is not taken here")
		default:
			if err := g.value(id, &msg); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainGobType reports whether values of the type may come: a basic type but
// interface, or a defined one. What gob knows besides is its own.
func plainGobType(id int64) bool { return id > 0 && id <= gobLastBasic || id >= gobFirstUser }

// define takes in one type definition.
func (g *gobGuard) define(id int64, def *gobReader) error {
	kind, refs := def.definition()
	g.refs += len(refs)
	switch _, known := g.types[id]; {
	case kind == gobArray || kind == gobMap:
		return Errorf(CodeProtocol, "a gob definition of a map or an array")
	case def.bad || len(def.b) > 0 || kind == 0:
		return Errorf(CodeProtocol, "a gob type definition that is malformed")
	case known || id < gobFirstUser:
		return Errorf(CodeProtocol, "a gob type that is defined already")
	case len(g.types) >= maxGobTypes || g.refs > maxGobRefs:
		return Errorf(CodeProtocol, "more than %d gob types, or %d fields in all", maxGobTypes, maxGobRefs)
	}
	for _, ref := range refs {
		if !plainGobType(ref) {
			return Errorf(CodeProtocol, "a gob definition with an interface")
		}
	}
	if g.types == nil {
		g.types = make(map[int64]*gobType)
	}
	g.types[id] = &gobType{kind: kind, refs: refs}
	if g.reaches(id, id, make(map[int64]bool)) {
		return Errorf(CodeProtocol, "a gob type that contains itself")
	}
	return nil
}

// reaches reports whether a value of type from may hold one of type to.
func (g *gobGuard) reaches(from, to int64, seen map[int64]bool) bool {
	t := g.types[from]
	if t == nil {
		return false
	}
	for _, ref := range t.refs {
		if ref == to {
			return true
		}
		if !seen[ref] {
			seen[ref] = true
			if g.reaches(ref, to, seen) {
				return true
			}
		}
	}
	return false
}

// gobReader reads gob's encoding. After a fault bad is set, nothing is left,
// and what it returns means nothing.
type gobReader struct {
	b   []byte
	bad bool
}

func (r *gobReader) fault() { r.b, r.bad = nil, true }

// uint reads one byte under 128, or the negated count of the bytes that follow.
func (r *gobReader) uint() (v uint64) {
	if len(r.b) == 0 {
		r.fault()
		return 0
	}
	first := r.b[0]
	r.b = r.b[1:]
	if first < 0x80 {
		return uint64(first)
	}
	n := -int(int8(first))
	if n > 8 || n > len(r.b) {
		r.fault()
		return 0
	}
	for _, c := range r.b[:n] {
		v = v<<8 | uint64(c)
	}
	r.b = r.b[n:]
	return v
}

// int reads a signed number: its lowest bit says that the others are inverted.
func (r *gobReader) int() int64 {
	u := r.uint()
	if u&1 != 0 {
		return ^int64(u >> 1)
	}
	return int64(u >> 1)
}

// string reads a length and as many bytes.
func (r *gobReader) string() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fault()
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
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
func (r *gobReader) definition() (kind uint64, refs []int64) {
	r.fields(func(n uint64) {
		if kind != 0 || n == gobArray || n == gobMap || n > gobText {
			r.fault()
		} else {
			refs = r.body(n)
		}
		kind = n
	})
	return kind, refs
}

// body reads one kind of definition: its name and number, and what it holds.
func (r *gobReader) body(kind uint64) (refs []int64) {
	r.fields(func(n uint64) {
		switch {
		case n == 1:
			r.named()
		case n == 2 && kind == gobSlice:
			refs = append(refs, r.int())
		case n == 2 && kind == gobStruct:
			for range r.uint() {
				if refs = append(refs, r.named()); r.bad || len(refs) > maxGobRefs {
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
func (r *gobReader) named() (id int64) {
	r.fields(func(n uint64) {
		switch n {
		case 1:
			r.string()
		case 2:
			id = r.int()
		default:
			r.fault()
		}
	})
	return id
}
