package wire

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"time"
)

// EventEncoder encodes events for all subscribers of one server: one gob
// encoder for the server's life. An EventEncoder is not safe for concurrent
// use.
type EventEncoder struct {
	buf    bytes.Buffer
	enc    *gob.Encoder
	types  []byte
	number uint64 // of the latest definition
	record record // the one being encoded, so that it stays off the heap
}

// NewEventEncoder returns an encoder.
func NewEventEncoder() *EventEncoder {
	e := new(EventEncoder)
	e.enc = gob.NewEncoder(&e.buf)
	// gob sends all type definitions before the first value and none after it:
	// what the first encoding has over the second is the definitions.
	first := len(e.encode())
	e.types = bytes.Clone(e.buf.Bytes())
	e.types = e.types[:first-len(e.encode())]
	return e
}

// encode encodes the record.
func (e *EventEncoder) encode() []byte {
	e.buf.Reset()
	if err := e.enc.Encode(&e.record); err != nil {
		panic(fmt.Sprintf("wire: the event model does not suit gob: %v", err))
	}
	e.record = record{}
	return e.buf.Bytes()
}

// Types returns the gob type definitions that a decoder needs before the first
// event. The caller does not change them.
func (e *EventEncoder) Types() []byte { return e.types }

// Encode returns ev as bytes, valid until the next call, and the definition
// that completes them. common is of ev's run, and is brought up to date. What
// is set on delivery (Epoch, Missed, Snapshot) is left out. An event of more
// than limit bytes, its definitions included, or of more than [MaxLogEntries],
// is an [ErrTooLarge], and leaves common as it is.
func (e *EventEncoder) Encode(ev *Event, common *Common, limit int) (*Definition, []byte, error) {
	if n := ev.textSize(); n > limit {
		return nil, nil, tooLarge(ev, n, limit)
	}
	if n := len(ev.Data.Status.Log); n > MaxLogEntries {
		return nil, nil, Errorf(CodeTooLarge, "an event of job %v with %d log entries; at most %d", ev.JobID, n, MaxLogEntries)
	}
	run, pack := common.find(ev)
	if run == nil {
		run = e.defineRun(ev)
	}
	def, size := run, len(run.bytes)
	if ev.Data.Header != nil || ev.Data.Body != nil {
		if pack == nil {
			pack = e.definePackage(ev, run)
		}
		def, size = pack, size+len(pack.bytes)
	}
	e.record.set(ev, def.number)
	data := e.encode()
	if size += len(data); size > limit {
		return nil, nil, tooLarge(ev, size, limit)
	}
	common.keep(run, pack)
	return def, data, nil
}

func (e *EventEncoder) defineRun(ev *Event) *Definition {
	e.number++
	d := &Definition{number: e.number, said: runDefinition{JobID: ev.JobID, RunID: ev.RunID}}
	e.record.Of = d.number
	out := d.said
	if init := ev.Data.Initialize; init != nil {
		said, sent := *init, *init
		d.said.Initialize = &said
		out.LastExecution, sent.LastExecution = nanos(init.LastExecution), time.Time{}
		out.Initialize = &sent
	}
	e.record.Run = &out
	d.bytes = bytes.Clone(e.encode())
	return d
}

func (e *EventEncoder) definePackage(ev *Event, run *Definition) *Definition {
	e.number++
	d := &Definition{number: e.number, run: run}
	if h := ev.Data.Header; h != nil {
		c := constHeader(h)
		d.header = &c
	}
	if b := ev.Data.Body; b != nil {
		c := constBody(b)
		d.body = &c
	}
	e.record.Of, e.record.Package = d.number, &packageDefinition{Run: run.number, Header: d.header, Body: d.body}
	d.bytes = bytes.Clone(e.encode())
	return d
}

func tooLarge(ev *Event, n, limit int) *Error {
	return Errorf(CodeTooLarge, "an event %v of job %v of %d bytes; at most %d (Config.MaxEventBytes)", ev.Data.Status.State, ev.JobID, n, limit)
}

// EventDecoder decodes the stream of one encoder: one gob decoder for a
// subscription's life. It is not safe for concurrent use. After an error it is
// of no use.
type EventDecoder struct {
	guard  gobGuard
	src    bytes.Reader
	left   int // events in src
	dec    *gob.Decoder
	record record // the one being decoded, and the event that it becomes:
	event  Event  // here they stay off the heap
	defs   memo[definition]
	err    error // what ended it
}

// NewEventDecoder returns a decoder for events of the encoder whose Types
// these are.
func NewEventDecoder(types []byte) *EventDecoder {
	d := new(EventDecoder)
	d.err = d.guard.check(types)
	d.dec = gob.NewDecoder(&typedSource{types: *bytes.NewReader(types), events: &d.src})
	return d
}

// Open makes data, which holds count events, the next to be read.
func (d *EventDecoder) Open(data []byte, count int) {
	if d.err == nil {
		d.err = d.guard.check(data)
	}
	d.src.Reset(data)
	d.left = count
}

// Next returns the next event, valid until the next call, or nil after the
// last. The error is an [ErrProtocol], where data does not hold just its
// events. The events of a run share what Data.Initialize points to.
func (d *EventDecoder) Next() (*Event, error) {
	if d.err != nil {
		return nil, d.err
	}
	ev, err := d.next()
	d.err = err
	return ev, err
}

func (d *EventDecoder) next() (*Event, error) {
	for d.left > 0 {
		d.record = record{}
		if err := decodeGob(d.dec, &d.record); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, Errorf(CodeProtocol, "events that cannot be decoded: %s", Clip(err.Error(), 256))
		}
		if d.record.Run != nil || d.record.Package != nil {
			if err := d.define(); err != nil {
				return nil, err
			}
			continue
		}
		def, ok := d.defs.get(d.record.Of)
		if !ok {
			return nil, Errorf(CodeProtocol, "event %d refers to definition %d, which has not come", d.record.Seq, d.record.Of)
		}
		if d.left--; d.left == 0 {
			if err := d.atEnd(); err != nil {
				return nil, err
			}
		}
		d.record.fill(&d.event, &def)
		return &d.event, nil
	}
	return nil, d.atEnd()
}

// atEnd returns an error unless all has been read: what stands behind the last
// event that was counted would be lost without a word.
func (d *EventDecoder) atEnd() error {
	if n := d.src.Len(); n > 0 {
		return Errorf(CodeProtocol, "%d bytes behind the last event", n)
	}
	return nil
}

// Decode is Open, and Next for each event.
func (d *EventDecoder) Decode(data []byte, count int, yield func(*Event)) error {
	d.Open(data, count)
	for {
		ev, err := d.Next()
		if ev == nil {
			return err
		}
		yield(ev)
	}
}

// define takes the definition that has been decoded.
func (d *EventDecoder) define() error {
	def := definition{run: d.record.Run, pack: d.record.Package}
	if def.pack != nil {
		run, ok := d.defs.get(def.pack.Run)
		if !ok {
			return Errorf(CodeProtocol, "definition %d refers to %d, which has not come", d.record.Of, def.pack.Run)
		}
		def.run = run.run
	} else if init := def.run.Initialize; init != nil {
		init.LastExecution = fromNanos(def.run.LastExecution)
	}
	d.defs.put(d.record.Of, def)
	return nil
}

// typedSource reads the types, once, and then the events.
type typedSource struct {
	types  bytes.Reader
	events *bytes.Reader
}

func (s *typedSource) current() *bytes.Reader {
	if s.types.Len() > 0 {
		return &s.types
	}
	return s.events
}

func (s *typedSource) Read(p []byte) (int, error) { return s.current().Read(p) }

// ReadByte makes gob read from here without a buffer of its own.
func (s *typedSource) ReadByte() (byte, error) { return s.current().ReadByte() }
