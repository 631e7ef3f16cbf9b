package wire

// BoundNames are what the owner of a [Conn] calls its bounds, so that an error
// says which setting was hit. Each may be empty.
type BoundNames struct{ MaxMessage, WriteTimeout, MessageTimeout string }

// named returns the name of a bound as the end of a sentence.
func named(bound string) string {
	if bound == "" {
		return ""
	}
	return " (" + bound + ")"
}

// GobBounds bounds what the gob of a peer may hold, whatever it is about. A
// field that is zero has its default, which leaves room for what later versions
// of the protocol may add: no stream of this one has more than 16 types with 64
// fields, in 1 KiB.
type GobBounds struct {
	Types       int // type definitions in one stream; 128
	Fields      int // fields and elements that they define, in all; 2,048
	Definitions int // bytes of them in all; 32,768
	Elements    int // elements of all slices in one value, slices of bytes apart; 4,096
}

// defaultGobBounds are the defaults. A full [Filter] has 3,072 elements, a full
// log [MaxLogEntries].
var defaultGobBounds = GobBounds{Types: 128, Fields: 2048, Definitions: 32 << 10, Elements: 4096}

// withDefaults returns b with every zero or negative bound replaced.
func (b GobBounds) withDefaults() GobBounds {
	for _, f := range []struct{ own, def *int }{
		{&b.Types, &defaultGobBounds.Types}, {&b.Fields, &defaultGobBounds.Fields},
		{&b.Definitions, &defaultGobBounds.Definitions}, {&b.Elements, &defaultGobBounds.Elements},
	} {
		if *f.own <= 0 {
			*f.own = *f.def
		}
	}
	return b
}
