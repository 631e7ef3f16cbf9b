package protocol

import (
	"bytes"
	"fmt"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
)

// EventEncoder is the sending end of a server's stream of events: one gob stream
// for all subscribers and the life of the server. It is not safe for concurrent use.
type EventEncoder struct {
	out    *gob.Writer
	buf    []byte
	types  []byte
	number uint64      // of the latest definition
	event  eventRecord // the one that is being encoded; a field, so that it is allocated once
}

// NewEventEncoder returns an encoder.
func NewEventEncoder() *EventEncoder {
	e := &EventEncoder{out: gob.NewWriter()}
	// gob writes all type definitions before the first value and none after it, so
	// the first encoding is longer than the second by the definitions.
	first := len(e.encodeDefinition(new(record)))
	e.types = bytes.Clone(e.buf)
	e.types = e.types[:first-len(e.encodeDefinition(new(record)))]
	return e
}

// encodeDefinition returns a definition as bytes, valid until the next call.
func (e *EventEncoder) encodeDefinition(r *record) []byte {
	return e.encoded(e.out.Append(e.buf[:0], r))
}

// encodeEvent returns the event as bytes, valid until the next call. of is the number
// of the definition that completes the event.
func (e *EventEncoder) encodeEvent(ev *wire.Event, of uint64) []byte {
	e.event.set(ev, of)
	data := e.encoded(e.out.AppendAs(e.buf[:0], (*record)(nil), &e.event))
	e.event.item, e.event.log = "", nil // so that they can be collected
	return data
}

func (e *EventEncoder) encoded(data []byte, err error) []byte {
	if err != nil {
		panic(fmt.Sprintf("protocol: gob cannot encode a record: %v", err))
	}
	e.buf = data
	return data
}

// Types returns the gob type definitions that a decoder needs before the first
// event. The caller does not change them.
func (e *EventEncoder) Types() []byte { return e.types }

// Encode returns ev as bytes, valid until the next call, and the definition that
// completes them. It leaves out Epoch, Missed and Snapshot, which are set on
// delivery. common belongs to ev's run, and Encode updates it. Encode returns a
// [wire.TooLarge] error, and does not change common, if ev and its definitions are
// longer than limit bytes, or if ev has more than [wire.MaxLogEntries] log entries.
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
	data := e.encodeEvent(ev, def.number)
	if size += len(data); size > limit {
		return nil, nil, tooLarge(ev, size, limit)
	}
	common.keep(ev, run, pack)
	return def, data, nil
}

func (e *EventEncoder) defineRun(ev *wire.Event) *Definition {
	e.number++
	d := &Definition{number: e.number, said: runDefinition{JobID: ev.JobID, RunID: ev.RunID}}
	d.run = d
	out := d.said
	if init := ev.Data.Initialize; init != nil {
		said, sent := *init, *init
		d.said.Initialize = &said
		out.LastExecution, sent.LastExecution = nanos(init.LastExecution), time.Time{}
		out.Initialize = &sent
	}
	d.bytes = bytes.Clone(e.encodeDefinition(&record{Of: d.number, Run: &out}))
	return d
}

func (e *EventEncoder) definePackage(ev *wire.Event, run *Definition) *Definition {
	e.number++
	d := &Definition{number: e.number, run: run, header: constHeader(ev.Data.Header), body: constBody(ev.Data.Body)}
	pack := &packageDefinition{Run: run.number, Header: d.header, Body: d.body}
	d.bytes = bytes.Clone(e.encodeDefinition(&record{Of: d.number, Package: pack}))
	return d
}

func tooLarge(ev *wire.Event, n, limit int) *wire.Error {
	return wire.Errorf(wire.TooLarge, "an event %v of job %v of %d bytes; at most %d (Config.MaxEventBytes)", ev.Data.Status.State, ev.JobID, n, limit)
}

// textSize returns a lower bound of the encoded size of e: the bytes of its texts,
// and one for each log entry. With it, a huge event is refused before it is encoded.
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
