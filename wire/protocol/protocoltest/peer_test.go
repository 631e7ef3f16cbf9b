// Package protocoltest holds a client and a server that were written from
// PROTOCOL.md alone, with types of their own, and talk to the real ones. They
// keep the document true.
package protocoltest

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"reflect"
)

// The frames of PROTOCOL.md.
const (
	kindCall  = 1
	kindReply = 2
)

type request struct {
	ServiceMethod string
	Seq           uint64
}

type response struct {
	ServiceMethod string
	Seq           uint64
	Error         string
}

type nothing struct{ Unused bool }

// id is a UUID, which encodes itself as 16 bytes.
type id [16]byte

func (u id) MarshalBinary() ([]byte, error) { return u[:], nil }

func (u *id) UnmarshalBinary(b []byte) error {
	if len(b) != 16 {
		return fmt.Errorf("a UUID of %d bytes", len(b))
	}
	copy(u[:], b)
	return nil
}

type cursor struct {
	Epoch id
	Seq   uint64
}

type filter struct {
	Jobs     []id
	Names    []string
	States   []uint8
	Severity uint8
	Outcomes []uint8
}

type subscribeArgs struct {
	Name         string
	From         uint8
	Cursor       cursor
	Renew        bool
	Filter       filter
	Credit       credit
	CallbackAddr string
	Ticket       []byte
}

type subscribed struct {
	Cursor   cursor
	Head     uint64
	Missed   uint64
	Snapshot uint32
}

type credit struct{ Events, Bytes uint64 }

type historyArgs struct {
	Since cursor
	Max   uint32
}

type jobsArgs struct{ After id }

type page struct {
	Epoch         id
	Next, Missed  uint64
	Count         uint32
	Types, Events []byte
	More          bool
}

type batch struct {
	Next, Missed             uint64
	Pending, Snapshot, Count uint32
	Types, Events            []byte
}

type ack struct{ Events, Bytes uint64 }

type goodbye struct {
	Code, Message string
	AfterMillis   uint32
}

// record is a value of the stream of events.
type record struct {
	Seq, Of                 uint64
	Run                     *runDefinition
	Package                 *packageDefinition
	State                   uint8
	Final                   bool
	Sent, Received          int64
	Item                    string
	Began, Ended            int64
	Log                     []logRecord
	PackagesDone, FilesDone int
	BytesDone, BytesTotal   int64
	Outcome                 uint8
}

type runDefinition struct {
	JobID, RunID id
	Initialize   *struct {
		Name            string
		SourcePath      string
		FilesInPackages int
		ContinueOnError bool
	}
	LastExecution int64
}

type packageDefinition struct {
	Run    uint64
	Header *struct {
		Number   int
		FileSize int64
	}
	Body *struct{ Files int }
}

type logRecord struct {
	Time          int64
	Severity      uint8
	Item, Message string
}

// event is a record with its definitions.
type event struct {
	record
	run  *runDefinition
	pack *packageDefinition
}

// reader reads a stream of events, and forgets definitions as PROTOCOL.md says.
type reader struct {
	in    bytes.Buffer
	dec   *gob.Decoder
	defs  map[uint64]event
	bytes int // of defs
}

func newReader(types []byte) *reader {
	r := &reader{defs: make(map[uint64]event)}
	r.in.Write(types)
	r.dec = gob.NewDecoder(&r.in)
	r.dec.DecodeValue(reflect.Value{}) // reads the types, and finds no value
	return r
}

// next returns the next event, and takes in the definitions before it.
func (r *reader) next() (event, error) {
	for {
		var e event
		left := r.in.Len()
		if err := r.dec.Decode(&e.record); err != nil {
			return e, err
		}
		of := e.Of
		if e.Package != nil {
			of = e.Package.Run
		}
		if e.run = e.Run; e.run == nil {
			def, ok := r.defs[of]
			if !ok {
				return e, fmt.Errorf("record %d refers to definition %d, which is not kept", e.Seq, of)
			}
			e.run, e.pack = def.run, def.pack
		}
		switch {
		case e.Package != nil:
			e.pack = e.Package
		case e.Run == nil:
			return e, nil
		}
		if err := r.keep(&e, left-r.in.Len()); err != nil {
			return e, err
		}
	}
}

// keep keeps a definition of so many bytes.
func (r *reader) keep(def *event, size int) error {
	if _, ok := r.defs[def.Of]; ok {
		return fmt.Errorf("definition %d comes again, and is kept", def.Of)
	}
	if r.bytes += size; len(r.defs) == 4096 || r.bytes > 512<<10 {
		clear(r.defs)
		r.bytes = size
	}
	r.defs[def.Of] = *def
	return nil
}

// stream is one gob stream that is cut into frames.
type stream struct {
	buf bytes.Buffer
	enc *gob.Encoder
	dec *gob.Decoder
}

func newStream() *stream {
	s := new(stream)
	s.enc, s.dec = gob.NewEncoder(&s.buf), gob.NewDecoder(&s.buf)
	return s
}

// frames is one connection after its greeting, from either end.
type frames struct {
	nc                               net.Conn
	callsOut, repliesOut             *stream
	callsIn, repliesIn               *stream
	seq                              uint64
	notify                           func(*batch) ack // answers Callback.Notify
	goodbyes                         []goodbye
	serve                            func(r *request, in *gob.Decoder) (reply any, err string) // other calls
	typesSent, batches, emptyBatches int
}

func newFrames(nc net.Conn) *frames {
	return &frames{nc: nc, callsOut: newStream(), repliesOut: newStream(), callsIn: newStream(), repliesIn: newStream()}
}

// send writes a frame of a head and a body.
func (f *frames) send(kind byte, s *stream, head, body any) error {
	s.buf.Reset()
	if err := s.enc.Encode(head); err != nil {
		return err
	}
	if err := s.enc.Encode(body); err != nil {
		return err
	}
	frame := binary.BigEndian.AppendUint32([]byte{kind}, uint32(s.buf.Len()))
	_, err := f.nc.Write(append(frame, s.buf.Bytes()...))
	return err
}

// read reads a frame.
func (f *frames) read() (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(f.nc, head[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err = io.ReadFull(f.nc, payload)
	return head[0], payload, err
}

// step reads one frame. It serves a call; of a reply it returns the head, with
// the body decoded into reply.
func (f *frames) step(reply any) (*response, error) {
	kind, payload, err := f.read()
	if err != nil {
		return nil, err
	}
	switch kind {
	case kindReply:
		in, head := f.repliesIn, new(response)
		in.buf.Write(payload)
		if err := in.dec.Decode(head); err != nil {
			return nil, err
		}
		if head.Error != "" {
			reply = nil // skipped
		}
		if err := in.dec.Decode(reply); err != nil {
			return nil, err
		}
		return head, behind(in)
	case kindCall:
		in, head := f.callsIn, new(request)
		in.buf.Write(payload)
		if err := in.dec.Decode(head); err != nil {
			return nil, err
		}
		body, failed := f.answer(head, in.dec)
		if err := behind(in); err != nil {
			return nil, err
		}
		return nil, f.send(kindReply, f.repliesOut, &response{Seq: head.Seq, Error: failed}, body)
	}
	return nil, fmt.Errorf("a frame of kind %d", kind)
}

func behind(s *stream) error {
	if n := s.buf.Len(); n > 0 {
		return fmt.Errorf("%d bytes behind a message", n)
	}
	return nil
}

// answer serves one call.
func (f *frames) answer(head *request, in *gob.Decoder) (reply any, failed string) {
	switch {
	case head.ServiceMethod == "Callback.Notify" && f.notify != nil:
		var b batch
		if err := in.Decode(&b); err != nil {
			return &nothing{}, "mom:internal:0:" + err.Error()
		}
		a := f.notify(&b)
		return &a, ""
	case head.ServiceMethod == "Callback.Goodbye":
		var g goodbye
		if err := in.Decode(&g); err != nil {
			return &nothing{}, "mom:internal:0:" + err.Error()
		}
		f.goodbyes = append(f.goodbyes, g)
		return &nothing{}, ""
	case f.serve != nil:
		return f.serve(head, in)
	}
	in.DecodeValue(reflect.Value{}) // skipped
	return &nothing{}, "mom:unknown-method:0:no such method"
}

// call makes a call and serves what comes until it is answered. The string is
// the reply's error.
func (f *frames) call(method string, args, reply any) (string, error) {
	f.seq++
	if err := f.send(kindCall, f.callsOut, &request{method, f.seq}, args); err != nil {
		return "", err
	}
	for {
		head, err := f.step(reply)
		if err != nil {
			return "", err
		}
		if head != nil {
			if head.Seq != f.seq || head.ServiceMethod != "" {
				return "", fmt.Errorf("an answer to %+v; asked %d", head, f.seq)
			}
			return head.Error, nil
		}
	}
}
