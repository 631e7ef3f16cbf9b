package protocol

import (
	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
)

// decoder.go holds the receiving end of the stream of events; encoder.go
// holds the sending one.

// EventDecoder decodes the stream of one encoder, for a subscription's life. It
// is not safe for concurrent use. After an error it is of no use.
type EventDecoder struct {
	values gob.Records
	left   int                   // events in values
	record record                // the one being decoded, and the event that it becomes:
	event  wire.Event            // here they stay off the heap
	parts  []eventParts          // for the events that come next
	defs   map[uint64]definition // by their numbers
	count  definitionCount       // of defs
	err    error                 // what ended it
}

// NewEventDecoder returns a decoder for events of the encoder whose Types
// these are.
func NewEventDecoder(types []byte) *EventDecoder {
	d := new(EventDecoder)
	d.err = refused(d.values.Define(types))
	return d
}

// refused returns why gob refuses a stream as a [wire.ProtocolError]; nil for nil.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return wire.Errorf(wire.ProtocolError, "%w", err)
}

// Open makes data, which holds count events, the next to be read. The caller
// does not change data until they have been.
func (d *EventDecoder) Open(data []byte, count int) {
	d.values.Take(data)
	d.left = count
}

// Next returns the next event, valid until the next call, or nil after the
// last. The error is a [wire.ProtocolError], where data does not hold just its
// events. The events of a run share what Data.Initialize points to; what else
// they point to is their own.
func (d *EventDecoder) Next() (*wire.Event, error) {
	if d.err != nil {
		return nil, d.err
	}
	ev, err := d.next()
	d.err = err
	return ev, err
}

func (d *EventDecoder) next() (*wire.Event, error) {
	for d.left > 0 {
		d.record = record{}
		before := d.values.Left()
		if err := d.values.Decode(&d.record); err != nil {
			return nil, refused(err)
		}
		if d.record.Run != nil || d.record.Package != nil {
			if err := d.keep(before - d.values.Left()); err != nil {
				return nil, err
			}
			continue
		}
		def, ok := d.defs[d.record.Of]
		if !ok {
			return nil, wire.Errorf(wire.ProtocolError, "event %d refers to definition %d, which has not come", d.record.Seq, d.record.Of)
		}
		if d.left--; d.left == 0 {
			if err := d.atEnd(); err != nil {
				return nil, err
			}
		}
		d.record.fill(&d.event, &def, d.newParts(def.pack))
		return &d.event, nil
	}
	return nil, d.atEnd()
}

// maxParts is how many events' parts lie together, and so how many one of them
// keeps from being collected.
const maxParts = 8

// newParts returns parts for an event of the package, nil where it has none.
func (d *EventDecoder) newParts(pack *packageDefinition) *eventParts {
	if pack == nil {
		return nil
	}
	if len(d.parts) == 0 {
		d.parts = make([]eventParts, min(d.left+1, maxParts))
	}
	own := &d.parts[0]
	d.parts = d.parts[1:]
	return own
}

// atEnd returns an error unless all has been read: what stands behind the last
// event that was counted would be lost without a word.
func (d *EventDecoder) atEnd() error {
	if n := d.values.Left(); n > 0 {
		return wire.Errorf(wire.ProtocolError, "%d bytes behind the last event", n)
	}
	d.values.Take(nil) // let go of the data
	return nil
}

// Decode is Open, and Next for each event.
func (d *EventDecoder) Decode(data []byte, count int, yield func(*wire.Event)) error {
	d.Open(data, count)
	for {
		ev, err := d.Next()
		if ev == nil {
			return err
		}
		yield(ev)
	}
}

// keep keeps the definition that has been decoded, of that many bytes.
func (d *EventDecoder) keep(bytes int) error {
	def := definition{run: d.record.Run, pack: d.record.Package}
	if def.pack != nil {
		run, ok := d.defs[def.pack.Run]
		if !ok {
			return wire.Errorf(wire.ProtocolError, "definition %d refers to %d, which has not come", d.record.Of, def.pack.Run)
		}
		def.run = run.run
	} else if init := def.run.Initialize; init != nil {
		init.LastExecution = fromNanos(def.run.LastExecution)
	}
	if d.count.add(bytes) || d.defs == nil {
		d.defs = make(map[uint64]definition)
	}
	d.defs[d.record.Of] = def
	return nil
}
