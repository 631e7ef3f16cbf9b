package duplex

import (
	"net/rpc"
	"strings"
	"sync/atomic"

	"mom.internal/wire"

	"mom.internal/wire/internal/gob"
)

// codec.go holds how net/rpc's calls become frames and frames become calls.

// frameEncoder encodes a header and a body into one frame: one gob stream for
// the life of the connection.
type frameEncoder struct {
	out        *outbox
	kind       frameKind
	gob        *gob.Writer
	head, body any // being encoded; here they stay off the heap
}

func newFrameEncoder(out *outbox, kind frameKind) *frameEncoder {
	return &frameEncoder{out: out, kind: kind, gob: gob.NewWriter()}
}

func (e *frameEncoder) put(head, body any) error {
	e.head, e.body = head, body
	defer func() { e.head, e.body = nil, nil }()
	return e.out.put(e.kind, e)
}

// append implements payload.
func (e *frameEncoder) append(dst []byte) ([]byte, error) {
	dst, err := e.gob.Append(dst, e.head)
	if err == nil {
		dst, err = e.gob.Append(dst, e.body)
	}
	return dst, err
}

// clientCodec is the rpc.ClientCodec of a Conn. net/rpc calls WriteRequest
// under a mutex, and the Read methods from one goroutine, its own. That one
// reads the connection; the calls that come between replies are served on it.
type clientCodec struct {
	c          *Conn
	calls      *frameEncoder
	in         gob.Stream
	unanswered atomic.Int64 // calls less replies
	decoding   bool         // a payload is being decoded
	reported   bool         // the end has been reported
}

func newClientCodec(c *Conn) *clientCodec {
	k := &clientCodec{c: c, calls: newFrameEncoder(c.out, frameCall)}
	c.frames.streams[frameReply] = &k.in
	return k
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
		if err := protocolError(k.in.End()); err != nil {
			return k.fail(err)
		}
		if k.in.Borrowed() {
			k.c.frames.release()
		}
	}
	payload, err := k.c.nextReply()
	if err == nil && k.unanswered.Add(-1) < 0 {
		err = wire.Errorf(wire.ProtocolError, "%v answers more than it was asked", k.c.nc.RemoteAddr())
	}
	if err == nil {
		k.decoding = true
		k.in.Take(payload)
		err = protocolError(k.in.Decode(r))
	}
	if err != nil {
		return k.fail(err)
	}
	return nil
}

func (k *clientCodec) ReadResponseBody(reply any) error {
	if err := protocolError(k.in.Decode(reply)); err != nil {
		return k.fail(err)
	}
	return nil
}

// fail ends the connection; net/rpc's goroutine then fails the pending calls
// and returns.
func (k *clientCodec) fail(err error) error {
	k.c.end(err)
	if !k.reported {
		k.reported = true
		k.c.running.Done()
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
	err     error // what ended the connection under a call
}

// newServerCodec returns a codec for the calls to the methods of receiver,
// which stand under the name service.
func newServerCodec(c *Conn, service string, receiver any) *serverCodec {
	server := rpc.NewServer()
	if err := server.RegisterName(service, receiver); err != nil {
		panic(err) // a receiver without methods: a defect of the caller's
	}
	k := &serverCodec{c: c, server: server, replies: newFrameEncoder(c.out, frameReply)}
	c.frames.streams[frameCall] = &k.in
	return k
}

// serve serves the one call in payload.
func (k *serverCodec) serve(payload []byte) error {
	k.in.Take(payload)
	// An unknown method is answered and leaves the connection as it is; what
	// breaks it has been kept by the codec.
	k.server.ServeRequest(k)
	if k.err == nil {
		k.err = protocolError(k.in.End())
	}
	if k.in.Borrowed() {
		k.c.frames.release()
	}
	return k.err
}

func (k *serverCodec) ReadRequestHeader(r *rpc.Request) error {
	k.err = protocolError(k.in.Decode(r))
	return k.err
}

func (k *serverCodec) ReadRequestBody(args any) error {
	k.err = protocolError(k.in.Decode(args))
	return k.err
}

func (k *serverCodec) WriteResponse(r *rpc.Response, reply any) error {
	if k.err != nil {
		return k.err // the request could not be read: nobody is to be answered
	}
	// The caller knows its method by the Seq; a stranger's words are not
	// repeated. net/rpc's own errors quote them.
	r.ServiceMethod = ""
	switch {
	case r.Error == "", isRPCString(r.Error):
	case strings.HasPrefix(r.Error, "rpc: "):
		r.Error = FormatError(wire.Errorf(wire.UnknownMethod, "no such method"))
	default: // a method without RunMethod
		r.Error = toRPC(nil)
	}
	k.err = k.replies.put(r, reply)
	return k.err
}

func (k *serverCodec) Close() error { return nil }

// protocolError returns why gob refuses what the peer sent as a [wire.ProtocolError];
// nil for nil.
func protocolError(err error) error {
	if err == nil {
		return nil
	}
	return wire.Errorf(wire.ProtocolError, "%w", err)
}
