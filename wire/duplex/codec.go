package duplex

import (
	"encoding/binary"
	"net/rpc"
	"strings"
	"sync/atomic"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
)

// codec.go turns the calls and replies of net/rpc into frames, and frames into
// calls and replies. Whatever is wrong with a frame ends the connection.

// frameEncoder encodes a header and a body into each frame of a kind, in one gob
// stream for the life of the connection. Its caller ends the connection if a frame
// is not sent, because that frame is missing from the stream.
type frameEncoder struct {
	out  *outbox
	kind frameKind
	gob  *gob.Writer
}

// put puts a frame into the outbox. net/rpc holds a mutex until put has returned, so
// that the frames leave in the order of the stream.
func (e *frameEncoder) put(head, body any) error {
	frame := buffers.Get().(*[]byte)
	buf, err := e.gob.Append(append(*frame, byte(e.kind), 0, 0, 0, 0), head)
	if err == nil {
		buf, err = e.gob.Append(buf, body)
	}
	if err != nil {
		return err
	}
	size := len(buf) - frameHead
	if most := e.out.cfg.MaxCall; most > 0 && size > most {
		return wire.Errorf(wire.BadRequest, "a call of %d bytes; %v takes %d at most", size, e.out.nc.RemoteAddr(), most)
	}
	binary.BigEndian.PutUint32(buf[1:], uint32(size))
	*frame = buf
	return e.out.put(e.kind, frame)
}

// clientCodec is the rpc.ClientCodec of a Conn. net/rpc calls WriteRequest under a
// mutex, and the Read methods from one goroutine, which is the reader.
type clientCodec struct {
	c          *Conn
	calls      *frameEncoder
	in         gob.Stream
	unanswered atomic.Int64 // calls minus replies
	decoding   bool         // the payload of a reply is being decoded
	reported   bool         // net/rpc has been told that the connection has ended
}

func (k *clientCodec) WriteRequest(r *rpc.Request, args any) error {
	k.unanswered.Add(1)
	if err := k.calls.put(r, args); err != nil {
		k.c.end(err)
		return err
	}
	return nil
}

func (k *clientCodec) ReadResponseHeader(r *rpc.Response) error {
	if k.decoding {
		k.decoding = false
		if err := k.c.endPayload(&k.in); err != nil {
			return k.check(err)
		}
	}
	payload, err := k.c.nextReply()
	if err == nil && k.unanswered.Add(-1) < 0 {
		err = wire.Errorf(wire.ProtocolError, "%v sent more replies than there were calls", k.c.nc.RemoteAddr())
	}
	if err == nil {
		k.decoding = true
		k.in.Take(payload)
		err = ProtocolError(k.in.Decode(r))
	}
	return k.check(err)
}

func (k *clientCodec) ReadResponseBody(reply any) error {
	return k.check(ProtocolError(k.in.Decode(reply)))
}

// check returns err. If err is not nil, check first ends the connection with it.
// net/rpc's goroutine then fails the pending calls and returns.
func (k *clientCodec) check(err error) error {
	if err != nil {
		k.c.end(err)
		if !k.reported {
			k.reported = true
			k.c.running.Done()
		}
	}
	return err
}

func (k *clientCodec) Close() error {
	k.c.end(wire.Errorf(wire.Closed, "closed"))
	return nil
}

// serverCodec is the rpc.ServerCodec of a Conn.
type serverCodec struct {
	c       *Conn
	server  *rpc.Server
	replies *frameEncoder
	in      gob.Stream
	err     error // why a call could not be served, which ends the connection
}

// newServerCodec returns a codec for calls to the methods of receiver under the
// name service.
func newServerCodec(c *Conn, service string, receiver any) *serverCodec {
	server := rpc.NewServer()
	if err := server.RegisterName(service, receiver); err != nil {
		panic(err) // the receiver has no methods, which is a defect of the caller
	}
	k := &serverCodec{c: c, server: server, replies: &frameEncoder{c.out, frameReply, gob.NewWriter()}}
	c.frames.streams[frameCall] = &k.in
	return k
}

// serve serves the call in payload.
func (k *serverCodec) serve(payload []byte) error {
	k.in.Take(payload)
	// The error is dropped: k.err holds it if it ends the connection. A call of
	// an unknown method does not; it gets a reply.
	k.server.ServeRequest(k)
	if err := k.c.endPayload(&k.in); k.err == nil {
		k.err = err
	}
	return k.err
}

func (k *serverCodec) ReadRequestHeader(r *rpc.Request) error {
	k.err = ProtocolError(k.in.Decode(r))
	return k.err
}

func (k *serverCodec) ReadRequestBody(args any) error {
	k.err = ProtocolError(k.in.Decode(args))
	return k.err
}

func (k *serverCodec) WriteResponse(r *rpc.Response, reply any) error {
	if k.err != nil {
		return k.err // the request could not be decoded, so there is no call to reply to
	}
	// The caller knows its method by the Seq. Nothing that the peer sent is
	// repeated, as net/rpc's own errors do.
	r.ServiceMethod = ""
	switch {
	case r.Error == "", strings.HasPrefix(r.Error, rpcMark):
	case strings.HasPrefix(r.Error, "rpc: "):
		r.Error = FormatError(wire.Errorf(wire.UnknownMethod, "no such method"))
	default: // a method without RunMethod
		r.Error = toRPC(nil)
	}
	k.err = k.replies.put(r, reply)
	return k.err
}

func (k *serverCodec) Close() error { return nil }

// endPayload returns an error if bytes of the payload that in has decoded are left.
// If a value refers to the memory of the payload, that memory is not used again.
func (c *Conn) endPayload(in *gob.Stream) error {
	if in.Borrowed() {
		c.frames.buf = nil
	}
	return ProtocolError(in.End())
}
