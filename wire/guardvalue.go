package wire

// guardvalue.go looks at values before gob does. A slice costs its reader the
// size of its elements, whatever they take on the wire, and gob makes room for
// as many as the stream claims, up to 10 MiB, before it has seen one.

// maxGobElements bounds the elements of all slices in one gob value, slices of
// bytes apart: a full [Filter] has 2,048, a full log [MaxLogEntries].
const maxGobElements = 4096

// gobType is what the guard keeps of a type definition.
type gobType struct {
	kind uint64  // gobSlice, gobStruct, or one that encodes itself
	refs []int64 // the types of the element or of the fields

	// Set by resolve, when the first value comes.

	parts []gobPart // of refs
	// last is the number of the last part that has to be looked at, because it
	// holds a slice; 0 for none.
	last     uint64
	resolved bool
}

// gobPart is how an element or a field is read.
type gobPart struct {
	how  gobForm
	typ  *gobType // of formSlice and formStruct
	deep bool     // it holds a slice, or is one
}

// gobForm is one of the ways in which values stand in gob.
type gobForm uint8

const (
	formNumber  gobForm = iota // bool, int, uint, float
	formBytes                  // []byte, string, and what encodes itself
	formComplex                // two numbers
	formSlice
	formStruct
)

// value checks one value of the type id: as many elements as it claims are
// there, and they are not over the bound.
func (g *gobGuard) value(id int64, in *gobReader) error {
	if id <= gobLastBasic {
		return nil
	}
	t := g.lastType
	if id != g.lastID || t == nil {
		if t = g.types[id]; !g.resolve(t) {
			return Errorf(CodeProtocol, "a gob value of a type that is not defined")
		}
		g.lastID, g.lastType = id, t
	}
	if t.last == 0 {
		return nil
	}
	g.elements = 0
	if t.kind == gobStruct {
		g.walkStruct(t, in)
	} else if in.uint() == 0 { // what is no struct has a zero before it
		g.walkSlice(t, in)
	}
	if g.elements > maxGobElements {
		return Errorf(CodeProtocol, "more than %d elements of slices in a gob value", maxGobElements)
	}
	if in.bad {
		return Errorf(CodeProtocol, "a gob value that does not hold what it says")
	}
	return nil
}

// resolve finds out how values of t are read. It returns false where t, or
// what it refers to, is not defined. Types do not contain themselves.
func (g *gobGuard) resolve(t *gobType) bool {
	if t == nil || t.resolved {
		return t != nil
	}
	parts, last := make([]gobPart, len(t.refs)), uint64(0)
	for i, id := range t.refs {
		p := &parts[i]
		switch {
		case id == 5 || id == 6:
			p.how = formBytes
		case id == gobLastBasic:
			p.how = formComplex
		case id > gobLastBasic:
			ref := g.types[id]
			if !g.resolve(ref) {
				return false
			}
			p.typ = ref
			switch ref.kind {
			case gobSlice:
				p.how, p.deep = formSlice, true
			case gobStruct:
				p.how, p.deep = formStruct, ref.last > 0
			default:
				p.how = formBytes
			}
		}
		if p.deep || t.kind == gobSlice {
			last = uint64(i + 1)
		}
	}
	t.parts, t.last, t.resolved = parts, last, true
	return true
}

// walkStruct reads the fields up to the last that has to be looked at. Every
// event goes through here, so numbers and texts are passed over on the spot.
func (g *gobGuard) walkStruct(t *gobType, in *gobReader) {
	b, parts, n := in.b, t.parts[:t.last], 0
	for len(b) > 0 && b[0] < 0x80 {
		if n += int(b[0]); b[0] == 0 || n > len(parts) {
			return
		}
		if len(b) == 1 {
			break
		}
		p, size := &parts[n-1], 2
		if first := b[1]; first >= 0x80 {
			size -= int(int8(first)) // the bytes that follow hold the number
		} else if p.how == formBytes {
			size += int(first)
		}
		if p.how > formBytes || p.how == formBytes && b[1] >= 0x80 {
			in.b = b[1:]
			g.walk(p, in)
			b = in.b
			continue
		}
		if size > len(b) {
			break
		}
		b = b[size:]
	}
	in.fault() // no value that gob writes ends so, or has field numbers so large
}

// skipStruct reads all fields.
func (g *gobGuard) skipStruct(t *gobType, in *gobReader) {
	for n := uint64(0); ; {
		delta := in.uint()
		if delta == 0 {
			return
		}
		if n += delta; n > uint64(len(t.parts)) || n < delta {
			in.fault()
			return
		}
		g.walk(&t.parts[n-1], in)
	}
}

func (g *gobGuard) walkSlice(t *gobType, in *gobReader) {
	n := in.uint()
	if n > uint64(len(in.b)) { // an element has a byte at least
		in.fault()
		return
	}
	if g.elements += n; g.elements > maxGobElements {
		in.fault()
		return
	}
	for range n {
		if in.bad {
			return
		}
		g.walk(&t.parts[0], in)
	}
}

func (g *gobGuard) walk(p *gobPart, in *gobReader) {
	switch p.how {
	case formNumber:
		in.uint()
	case formBytes:
		in.string()
	case formComplex:
		in.uint()
		in.uint()
	case formSlice:
		g.walkSlice(p.typ, in)
	case formStruct:
		g.skipStruct(p.typ, in)
	}
}
