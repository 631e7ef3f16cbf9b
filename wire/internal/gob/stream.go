package gob

import (
	"maps"
	"reflect"
)

// Stream reads one gob stream, one payload at a time. A payload is a head, which
// is short, and a body.
type Stream struct {
	types typeTable
	valueReader
	atHead bool         // the value that comes next is a head
	plans  []streamPlan // one for each type that came, and what it became
	steps  int          // in them
}

// streamPlan is how values of a type become values of one of ours.
type streamPlan struct {
	typePair
	step readStep
}

// maxFrameHead bounds the first value of a frame, in bytes: a method's name, and
// in a reply an error's text.
const maxFrameHead = 64 << 10

func tooLongHead() error {
	return errorf("a head of a call or a reply of more than %d bytes", maxFrameHead)
}

// Take goes on with the next payload.
func (s *Stream) Take(payload []byte) {
	s.in, s.borrowed, s.atHead = reader{b: payload}, false, true
	s.whole = cap(payload)
}

// Decode reads one value, with the definitions before it, into what v points
// to; nil passes over it.
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
		case s.atHead && len(msg.b) > maxFrameHead:
			return tooLongHead()
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
// the payload's memory, which must then not be used again.
func (s *Stream) Borrowed() bool { return s.borrowed }

// plan returns how the pair is read.
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
	// Each type becomes one of ours, seldom two: more is no caller's need.
	if s.steps += 1 + steps; s.steps > 2*maxFields {
		return nil, errorf("gob types of more than %d fields in all are used, over and over", 2*maxFields)
	}
	s.plans = append(s.plans, streamPlan{pair, step})
	return &s.plans[len(s.plans)-1].step, nil
}

// Precheck looks at what has come of a long payload, and returns an error where
// that must be refused already, so that its rest need not be taken in. It
// changes nothing.
func (s *Stream) Precheck(part []byte) error {
	types := s.types
	types.byID = maps.Clone(types.byID)
	d := valueReader{in: reader{b: part}}
	for values := 0; ; {
		msg, size, cut := d.part()
		id := msg.int()
		switch {
		case msg.bad: // decode will say so, when it is not for what is still to come
			return nil
		case values == 2: // each more would cost a plan of its type
			return errorf("more than a head and a body in a message")
		case id < 0 && (cut || types.fits(size) != nil):
			return types.fits(size)
		case id < 0:
			if err := types.define(-id, msg, size); err != nil {
				return err
			}
			continue
		case values == 0 && size > maxFrameHead:
			return tooLongHead()
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

// End checks that the payload is used up.
func (s *Stream) End() error {
	if n := s.in.left(); n > 0 {
		return errorf("%d bytes behind a message", n)
	}
	return nil
}
