package wire

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// EventEncoder encodes events for all subscribers of one server: one gob
// encoder for the server's life. An EventEncoder is not safe for concurrent
// use.
type EventEncoder struct {
	buf   bytes.Buffer
	enc   *gob.Encoder
	types []byte
	event Event // the one being encoded, so that the caller's stays off the heap
}

// NewEventEncoder returns an encoder.
func NewEventEncoder() *EventEncoder {
	e := new(EventEncoder)
	e.enc = gob.NewEncoder(&e.buf)
	// gob sends all type definitions before the first value and none after it:
	// what the first encoding has over the second is the definitions.
	first := len(e.mustEncode())
	e.types = bytes.Clone(e.buf.Bytes())
	e.types = e.types[:first-len(e.mustEncode())]
	return e
}

// mustEncode encodes the zero event.
func (e *EventEncoder) mustEncode() []byte {
	e.buf.Reset()
	if err := e.enc.Encode(&e.event); err != nil {
		panic(fmt.Sprintf("wire: the event model does not suit gob: %v", err))
	}
	return e.buf.Bytes()
}

// Types returns the gob type definitions that a decoder needs before the first
// event. The caller does not change them.
func (e *EventEncoder) Types() []byte { return e.types }

// Encode returns ev as bytes, valid until the next call. What is set on
// delivery (Epoch, Missed, Snapshot) is left out. An event of more than limit
// bytes is an [ErrTooLarge].
func (e *EventEncoder) Encode(ev *Event, limit int) ([]byte, error) {
	if n := ev.textSize(); n > limit {
		return nil, tooLarge(ev, n, limit)
	}
	e.event = *ev
	e.event.Epoch, e.event.Missed, e.event.Snapshot = uuid.Nil, 0, false
	e.buf.Reset()
	err := e.enc.Encode(&e.event)
	e.event = Event{}
	if err != nil {
		return nil, Errorf(CodeBadRequest, "the event cannot be encoded: %v", err)
	}
	if e.buf.Len() > limit {
		return nil, tooLarge(ev, e.buf.Len(), limit)
	}
	return e.buf.Bytes(), nil
}

func tooLarge(ev *Event, n, limit int) *Error {
	return Errorf(CodeTooLarge, "an event %v of job %v of %d bytes; at most %d (Config.MaxEventBytes)", ev.Data.Status.State, ev.JobID, n, limit)
}

// EventDecoder decodes the stream of one encoder: one gob decoder for a
// subscription's life. It is not safe for concurrent use. After an error it is
// of no use.
type EventDecoder struct {
	src bytes.Reader
	dec *gob.Decoder
}

// NewEventDecoder returns a decoder for events of the encoder whose Types
// these are.
func NewEventDecoder(types []byte) *EventDecoder {
	d := new(EventDecoder)
	d.dec = gob.NewDecoder(&typedSource{types: *bytes.NewReader(types), events: &d.src})
	return d
}

// Decode reads count events from data, in order, and calls yield with each. It
// returns an [ErrProtocol] where data does not hold just that.
func (d *EventDecoder) Decode(data []byte, count int, yield func(Event)) error {
	d.src.Reset(data)
	for range count {
		var ev Event
		if err := d.dec.Decode(&ev); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return Errorf(CodeProtocol, "events that cannot be decoded: %v", err)
		}
		yield(ev)
	}
	if d.src.Len() > 0 {
		return Errorf(CodeProtocol, "%d bytes behind the last event", d.src.Len())
	}
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
