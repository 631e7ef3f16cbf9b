package protocol

import (
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/internal/gob"
)

// EventDecoder is the receiving end of the stream of one [EventEncoder], for one
// subscription. It is not safe for concurrent use. After an error it cannot be used.
type EventDecoder struct {
	values gob.Records
	left   int                   // events that values still holds
	record record                // is being decoded; a field, so that it is allocated once
	event  wire.Event            // is returned by Next
	parts  []eventParts          // for the next events
	defs   map[uint64]definition // by number
	count  definitionCount       // of defs
	err    error                 // why the decoder cannot be used
}

// NewEventDecoder returns a decoder for the events of the encoder that returned the
// types.
func NewEventDecoder(types []byte) *EventDecoder {
	d := new(EventDecoder)
	d.err = duplex.ProtocolError(d.values.Define(types))
	return d
}

// Open makes data, which holds count events, the next to be decoded. The caller
// must not change data until they have been decoded.
func (d *EventDecoder) Open(data []byte, count int) {
	d.values.Take(data)
	d.left = count
}

// Next returns the next event, valid until the next call, or nil after the last. It
// returns a [wire.ProtocolError] if data does not hold exactly its events. The
// events of a run share what Data.Initialize points to, and nothing else.
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
			return nil, duplex.ProtocolError(err)
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

// maxParts is how many events have their parts in one allocation, so that one event
// keeps the parts of few others from being collected.
const maxParts = 8

// newParts returns parts for an event of the package, nil if it has no package.
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

// atEnd returns an error if data holds bytes after the last event, because these
// would be lost silently.
func (d *EventDecoder) atEnd() error {
	if n := d.values.Left(); n > 0 {
		return wire.Errorf(wire.ProtocolError, "%d bytes after the last event", n)
	}
	d.values.Take(nil) // so that data can be collected
	return nil
}

// Decode opens data and calls yield with each event.
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

// keep keeps the definition that has been decoded; bytes is its encoded length.
func (d *EventDecoder) keep(bytes int) error {
	if bytes > maxDefinition {
		return wire.Errorf(wire.ProtocolError, "a definition of %d bytes; at most %d", bytes, maxDefinition)
	}
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
