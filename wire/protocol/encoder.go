package protocol

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"time"

	"mom.internal/wire"
)

// encoder.go holds the sending end of the stream of events; decoder.go
// holds the receiving one.

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
// than limit bytes, its definitions included, or of more than [wire.MaxLogEntries],
// is a [wire.TooLarge] error, and leaves common as it is.
func (e *EventEncoder) Encode(ev *wire.Event, common *RunDefs, limit int) (*Definition, []byte, error) {
	if n := textSize(ev); n > limit {
		return nil, nil, tooLarge(ev, n, limit)
	}
	if n := len(ev.Data.Status.Log); n > wire.MaxLogEntries {
		return nil, nil, wire.Errorf(wire.TooLarge, "an event of job %v with %d log entries; at most %d", ev.JobID, n, wire.MaxLogEntries)
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

func (e *EventEncoder) defineRun(ev *wire.Event) *Definition {
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

func (e *EventEncoder) definePackage(ev *wire.Event, run *Definition) *Definition {
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

func tooLarge(ev *wire.Event, n, limit int) *wire.Error {
	return wire.Errorf(wire.TooLarge, "an event %v of job %v of %d bytes; at most %d (Config.MaxEventBytes)", ev.Data.Status.State, ev.JobID, n, limit)
}

// textSize returns less than the size of e as encoded: the bytes of its texts, and
// one for each log entry. It is cheap, so an absurd event is refused before it
// is encoded.
func textSize(e *wire.Event) int {
	n := 0
	if i := e.Data.Initialize; i != nil {
		n += len(i.Name) + len(i.SourcePath) + len(i.DestinationPath) + len(i.DestinationRoot)
	}
	if h := e.Data.Header; h != nil {
		n += len(h.TargetFilePath)
	}
	if b := e.Data.Body; b != nil {
		n += len(b.Item)
	}
	for i := range e.Data.Status.Log {
		n += len(e.Data.Status.Log[i].Item) + len(e.Data.Status.Log[i].Message) + 1
	}
	return n
}
