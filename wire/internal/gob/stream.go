package gob

import (
	"maps"
	"reflect"
)

// Stream reads one gob stream, one payload at a time. A payload is two values: a
// short head, and a body.
type Stream struct {
	types typeTable
	valueReader
	atHead bool         // the next value is a head
	plans  []streamPlan // one for each pair of types
	steps  int          // in all plans
}

// streamPlan is how values of a type in the stream become values of a type of ours.
type streamPlan struct {
	typePair
	step readStep
}

// maxHead bounds a head in bytes: it holds the name of a method, and in a reply
// the text of an error.
const maxHead = 64 << 10

var errLongHead = errorf("a head of a call or a reply of more than %d bytes", maxHead)

// Take begins the next payload.
func (s *Stream) Take(payload []byte) {
	s.in, s.borrowed, s.atHead = reader{b: payload}, false, true
	s.whole = cap(payload)
}

// Decode reads the next value, and the definitions before it, into the variable
// that v points to. It skips the value if v is nil.
func (s *Stream) Decode(v any) error {
	for {
		size := s.in.left()
		msg, id, err := s.message()
		switch {
		case err != nil:
			return err
		case id < 0:
			if err = s.types.define(-id, msg, size-s.in.left()); err != nil {
				return err
			}
			continue
		case s.atHead && len(msg.b) > maxHead:
			return errLongHead
		}
		s.atHead = false
		pair, target := typePair{id: id}, reflect.Value{}
		if v != nil {
			target = reflect.ValueOf(v).Elem()
			pair.ours = target.Type()
		}
		step, err := s.plan(pair)
		if err != nil {
			return err
		}
		return s.value(msg, step, target)
	}
}

// Borrowed reports whether a value that was decoded from the payload refers to
// its memory, which must then not be used again.
func (s *Stream) Borrowed() bool { return s.borrowed }

// plan returns how values of the pair's type are read.
func (s *Stream) plan(pair typePair) (*readStep, error) {
	for i := range s.plans {
		if p := &s.plans[i]; p.typePair == pair {
			return &p.step, nil
		}
	}
	step, steps, err := s.types.plan(pair.id, pair.ours)
	if err != nil {
		return nil, err
	}
	// No caller decodes a type into more than one or two of ours.
	if s.steps += 1 + steps; s.steps > 2*maxFields {
		return nil, errorf("more than %d fields in all uses of gob types", 2*maxFields)
	}
	s.plans = append(s.plans, streamPlan{pair, step})
	return &s.plans[len(s.plans)-1].step, nil
}

// Precheck returns an error if a payload must be refused for its beginning, so that
// the rest need not be read into memory. It does not change s.
func (s *Stream) Precheck(part []byte) error {
	types := s.types
	types.byID = maps.Clone(types.byID)
	d := valueReader{in: reader{b: part}}
	for values := 0; ; {
		msg, size, cut := d.part()
		id := msg.int()
		switch {
		case msg.bad: // if more bytes do not mend it, Decode will refuse it
			return nil
		case values == 2: // because each value may need another plan
			return errorf("more than a head and a body in a message")
		case id < 0 && (cut || types.fits(size) != nil):
			return types.fits(size)
		case id < 0:
			if err := types.define(-id, msg, size); err != nil {
				return err
			}
			continue
		case values == 0 && size > maxHead:
			return errLongHead
		}
		values++
		step, _, err := types.plan(id, nil)
		if err != nil {
			return err
		}
		if err = d.value(msg, &step, reflect.Value{}); d.tooMany() {
			return err
		} else if cut {
			return nil
		}
	}
}

// End returns an error if bytes of the payload are left.
func (s *Stream) End() error {
	if n := s.in.left(); n > 0 {
		return errorf("%d bytes after a message", n)
	}
	return nil
}
