package protocol

import (
	"reflect"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/internal/gob"
)

// EventDecoder is the receiving end of the stream of one [EventEncoder], for one
// subscription. It is not safe for concurrent use. After an error it cannot be used.
type EventDecoder struct {
	values gob.Records
	left   int          // events that values still holds
	parts  []eventParts // for the next events
	defs   keptDefinitions
	err    error // why the decoder cannot be used

	// The fields of the record that is being decoded.
	numbers [recordFields]int64 // by index
	run     *runDefinition
	pack    *packageDefinition
	item    string
	log     logRecords
}

// NewEventDecoder returns a decoder for the events of the encoder that returned the
// types.
func NewEventDecoder(types []byte) *EventDecoder {
	d := new(EventDecoder)
	d.KeepDefinitions(DefinitionBounds{})
	d.err = duplex.ProtocolError(d.values.Define(types))
	return d
}

// KeepDefinitions sets how many definitions the decoder keeps: no fewer than the
// sender expects. Without it, these are the default bounds.
func (d *EventDecoder) KeepDefinitions(b DefinitionBounds) { d.defs.bounds = b.orDefault() }

// Open makes data, which holds count events, the next to be decoded. The caller
// must not change data until they have been decoded.
func (d *EventDecoder) Open(data []byte, count int) {
	d.values.Take(data)
	d.left = count
}

// Next sets ev to the next event, and returns false after the last. It returns a
// [wire.ProtocolError] if data does not hold exactly its events. The events of a run
// share what Data.Initialize points to, and nothing else.
func (d *EventDecoder) Next(ev *wire.Event) (bool, error) {
	if d.err != nil {
		return false, d.err
	}
	ok, err := d.next(ev)
	d.err = err
	return ok, err
}

var recordType = reflect.TypeFor[record]()

func (d *EventDecoder) next(ev *wire.Event) (bool, error) {
	for d.left > 0 {
		d.run, d.pack, d.item, d.log = nil, nil, "", nil
		before := d.values.Left()
		if err := d.values.Decode(recordType, d.numbers[:], d.readField); err != nil {
			return false, duplex.ProtocolError(err)
		}
		of := uint64(d.numbers[fieldOf])
		if d.run != nil || d.pack != nil {
			if err := d.keep(of, before-d.values.Left()); err != nil {
				return false, err
			}
			continue
		}
		def, ok := d.defs.byNumber[of]
		if !ok {
			return false, wire.Errorf(wire.ProtocolError, "event %d refers to definition %d, which has not come", uint64(d.numbers[fieldSeq]), of)
		}
		if d.left--; d.left == 0 {
			if err := d.atEnd(); err != nil {
				return false, err
			}
		}
		d.fill(ev, &def)
		return true, nil
	}
	return false, d.atEnd()
}

// readField reads a field of the record that is not a number.
func (d *EventDecoder) readField(i int) {
	switch i {
	case fieldItem:
		d.item = d.values.Text()
	case fieldRun:
		d.values.IntoApart(&d.run)
	case fieldPackage:
		d.values.IntoApart(&d.pack)
	case fieldLog:
		d.values.Into(&d.log)
	}
}

// fill sets ev to the event of the record, which def completes.
func (d *EventDecoder) fill(ev *wire.Event, def *definition) {
	n := &d.numbers
	*ev = wire.Event{}
	ev.Seq, ev.JobID, ev.RunID = uint64(n[fieldSeq]), def.run.JobID, def.run.RunID
	data := &ev.Data
	data.Initialize = def.run.Initialize
	s := &data.Status
	s.State, s.Final, s.Outcome = wire.State(n[fieldState]), n[fieldFinal] != 0, wire.Outcome(n[fieldOutcome])
	s.SentTime, s.ReceivedTime = fromNanos(n[fieldBegan]), fromNanos(n[fieldEnded])
	p := &data.Progress
	p.PackagesDone, p.PackagesFailed, p.PackagesTotal = int(n[fieldPackagesDone]), int(n[fieldPackagesFailed]), int(n[fieldPackagesTotal])
	p.FilesDone, p.FilesTotal, p.BytesDone, p.BytesTotal = int(n[fieldFilesDone]), int(n[fieldFilesTotal]), n[fieldBytesDone], n[fieldBytesTotal]
	p.FilesSkipped, p.FilesDeleted, p.FilesChecked = int(n[fieldFilesSkipped]), int(n[fieldFilesDeleted]), int(n[fieldFilesChecked])
	p.Retries, p.OpenThousandths = int(n[fieldRetries]), int(n[fieldOpenThousandths])
	p.Warnings, p.Errors = int(n[fieldWarnings]), int(n[fieldErrors])
	if def.pack != nil {
		own := d.newParts()
		if h := def.pack.Header; h != nil {
			own.header = *h
			own.header.SizeOfSentData, own.header.SizeOfReceivedData = n[fieldSent], n[fieldReceived]
			data.Header = &own.header
		}
		if b := def.pack.Body; b != nil {
			own.body = *b
			own.body.Item = d.item
			data.Body = &own.body
		}
	}
	if len(d.log) > 0 {
		s.Log = make([]wire.LogEntry, len(d.log))
		for i := range d.log {
			entry := &d.log[i]
			s.Log[i] = wire.LogEntry{Time: fromNanos(entry.Time), Severity: entry.Severity, Item: entry.Item, Message: entry.Message}
		}
	}
}

// maxParts is how many events have their parts in one allocation, so that one event
// keeps the parts of few others from being collected.
const maxParts = 8

// newParts returns parts for an event of a package.
func (d *EventDecoder) newParts() *eventParts {
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
	var ev wire.Event
	for {
		ok, err := d.Next(&ev)
		if !ok {
			return err
		}
		yield(&ev)
	}
}

// keep keeps the definition that has been decoded under its number; bytes is its
// encoded length.
func (d *EventDecoder) keep(number uint64, bytes int) error {
	if bytes > maxDefinition {
		return wire.Errorf(wire.ProtocolError, "a definition of %d bytes; at most %d", bytes, maxDefinition)
	}
	def := definition{run: d.run, pack: d.pack}
	if def.pack != nil {
		run, ok := d.defs.byNumber[def.pack.Run]
		if !ok {
			return wire.Errorf(wire.ProtocolError, "definition %d refers to %d, which has not come", number, def.pack.Run)
		}
		def.run = run.run
	} else if init := def.run.Initialize; init != nil {
		init.LastExecution = fromNanos(def.run.LastExecution)
	}
	d.defs.keep(number, def, bytes)
	return nil
}

// keptDefinitions are the newest definitions of a stream.
type keptDefinitions struct {
	bounds   DefinitionBounds
	byNumber map[uint64]definition
	order    []keptDefinition // the oldest first
	count    definitionCount  // of order
	came     uint64           // definitions so far
}

// keptDefinition is a definition that has come. Another with its number may have come
// since.
type keptDefinition struct {
	number uint64
	bytes  int
}

// keep keeps a definition, and forgets the oldest ones if there are too many.
func (k *keptDefinitions) keep(number uint64, def definition, bytes int) {
	if k.byNumber == nil {
		k.byNumber = make(map[uint64]definition)
	}
	for k.count.number > 0 && k.count.exceeds(k.bounds, bytes) {
		oldest, place := k.order[0], k.came-uint64(k.count.number)
		k.order = k.order[1:]
		k.count.number--
		k.count.bytes -= oldest.bytes
		if k.byNumber[oldest.number].place == place {
			delete(k.byNumber, oldest.number)
		}
	}
	def.place = k.came
	k.byNumber[number] = def
	k.order = append(k.order, keptDefinition{number, bytes})
	k.count.add(bytes)
	k.came++
}
