package wire

import (
	"io"
	"maps"
	"net/rpc"
	"reflect"
	"strings"
)

// codec.go holds how net/rpc's calls become frames and frames become calls.

// frameStream decodes what stands in frames: one gob stream for the life of the
// connection, one payload at a time.
type frameStream struct {
	types gobTypes
	gobValues
	atHead bool        // the value that comes next is a head
	plans  []framePlan // one for each type that came, and what it became
	steps  int         // in them
}

// framePlan is how values of a type become values of one of ours.
type framePlan struct {
	gobPair
	step gobStep
}

func newFrameStream(b GobBounds) frameStream {
	b = b.withDefaults()
	return frameStream{types: gobTypes{bounds: b}, gobValues: gobValues{most: b.Elements}}
}

// maxFrameHead bounds the first value of a frame, in bytes: a method's name, and
// in a reply an error's text.
const maxFrameHead = 64 << 10

func tooLongHead() error {
	return Errorf(CodeProtocol, "a head of a call or a reply of more than %d bytes", maxFrameHead)
}

// take goes on with the next payload. What has been decoded of the one before
// may lie in it still: lent says so.
func (s *frameStream) take(payload []byte) {
	s.in, s.lent, s.atHead = gobReader{b: payload}, false, true
	s.whole = cap(payload)
}

// decode reads one value, with the definitions before it, into what v points
// to; nil passes over it.
func (s *frameStream) decode(v any) error {
	for {
		size := s.in.left()
		msg, id, err := s.message()
		switch {
		case err != nil:
			return err
		case id < 0:
			if err = s.types.define(-id, msg, size-s.in.left()); err != nil {
				return err
			}
			continue
		case s.atHead && msg.left() > maxFrameHead:
			return tooLongHead()
		}
		s.atHead = false
		pair, target := gobPair{id: id}, reflect.Value{}
		if v != nil {
			target = reflect.ValueOf(v).Elem()
			pair.ours = target.Type()
		}
		step, err := s.plan(pair)
		if err != nil {
			return err
		}
		return s.value(msg, step, target)
	}
}

// plan returns how the pair is read.
func (s *frameStream) plan(pair gobPair) (*gobStep, error) {
	for i := range s.plans {
		if p := &s.plans[i]; p.gobPair == pair {
			return &p.step, nil
		}
	}
	step, steps, err := s.types.plan(pair.id, pair.ours)
	if err != nil {
		return nil, err
	}
	// Each type becomes one of ours, seldom two: more is no caller's need.
	if s.steps += 1 + steps; s.steps > 2*s.types.bounds.Fields {
		return nil, Errorf(CodeProtocol, "gob types of more than %d fields in all are used, over and over (Gob.Fields)", 2*s.types.bounds.Fields)
	}
	s.plans = append(s.plans, framePlan{pair, step})
	return &s.plans[len(s.plans)-1].step, nil
}

// glance looks at what has come of a long payload, and returns an error where
// that must be refused already, so that its rest need not be taken in. It
// changes nothing.
func (s *frameStream) glance(part []byte) error {
	types := s.types
	types.byID = maps.Clone(types.byID)
	d := gobValues{in: gobReader{b: part}, most: s.most}
	for values := 0; ; {
		msg, size, cut := d.part()
		id := msg.int()
		switch {
		case msg.bad: // decode will say so, when it is not for what is still to come
			return nil
		case values == 2: // each more would cost a plan of its type
			return Errorf(CodeProtocol, "more than a head and a body in a message")
		case id < 0 && (cut || types.fits(size) != nil):
			return types.fits(size)
		case id < 0:
			if err := types.define(-id, msg, size); err != nil {
				return err
			}
			continue
		case values == 0 && size > maxFrameHead:
			return tooLongHead()
		}
		values++
		step, _, err := types.plan(id, nil)
		if err != nil {
			return err
		}
		if err = d.value(msg, &step, reflect.Value{}); d.tooMany() {
			return err
		} else if cut {
			return nil
		}
	}
}

// end checks that the payload is used up.
func (s *frameStream) end() error {
	if n := s.in.left(); n > 0 {
		return Errorf(CodeProtocol, "%d bytes behind a message", n)
	}
	return nil
}

// frameEncoder encodes a header and a body into one frame: one gob stream for
// the life of the connection.
type frameEncoder struct {
	out        *outbox
	kind       frameKind
	gob        *gobWriter
	head, body any                   // being encoded
	encode     func(io.Writer) error // is encodeBoth, so that a frame allocates nothing
}

func newFrameEncoder(out *outbox, kind frameKind) *frameEncoder {
	e := &frameEncoder{out: out, kind: kind, gob: newGobWriter()}
	e.encode = e.encodeBoth
	return e
}

func (e *frameEncoder) put(head, body any) error {
	e.head, e.body = head, body
	defer func() { e.head, e.body = nil, nil }()
	return e.out.put(e.kind, e.encode)
}

func (e *frameEncoder) encodeBoth(w io.Writer) error {
	if err := e.gob.encode(w, e.head); err != nil {
		return err
	}
	return e.gob.encode(w, e.body)
}

// clientCodec is the rpc.ClientCodec of a Conn. net/rpc calls WriteRequest
// under a mutex, and the Read methods from one goroutine, its own. That one
// reads the connection; the calls that come between replies are served on it.
type clientCodec struct {
	c      *Conn
	calls  *frameEncoder
	in     frameStream
	handed bool // a payload is being decoded
	gone   bool // the end has been reported
}

func newClientCodec(c *Conn) *clientCodec {
	k := &clientCodec{c: c, calls: newFrameEncoder(c.out, frameCall), in: newFrameStream(c.cfg.Gob)}
	c.replies = &k.in
	return k
}

func (k *clientCodec) WriteRequest(r *rpc.Request, args any) error {
	if err := k.calls.put(r, args); err != nil {
		k.c.end(err)
		return err
	}
	return nil
}

func (k *clientCodec) ReadResponseHeader(r *rpc.Response) error {
	if k.handed {
		k.handed = false
		if err := k.in.end(); err != nil {
			return k.fail(err)
		}
		if k.in.lent {
			k.c.frame.forgo()
		}
	}
	payload, err := k.c.nextReply()
	if err == nil {
		k.handed = true
		k.in.take(payload)
		err = k.in.decode(r)
	}
	if err != nil {
		return k.fail(err)
	}
	return nil
}

func (k *clientCodec) ReadResponseBody(reply any) error {
	if err := k.in.decode(reply); err != nil {
		return k.fail(err)
	}
	return nil
}

// fail ends the connection; net/rpc's goroutine then fails the pending calls
// and returns.
func (k *clientCodec) fail(err error) error {
	k.c.end(err)
	if !k.gone {
		k.gone = true
		k.c.running.Done()
	}
	return err
}

func (k *clientCodec) Close() error {
	k.c.end(Errorf(CodeClosed, "closed"))
	return nil
}

// serverCodec is the rpc.ServerCodec of a Conn.
type serverCodec struct {
	c       *Conn
	server  *rpc.Server
	replies *frameEncoder
	in      frameStream
	err     error // what ended the connection under a call
}

// newServerCodec returns a codec for the calls to the methods of receiver,
// which stand under the name service.
func newServerCodec(c *Conn, service string, receiver any) *serverCodec {
	server := rpc.NewServer()
	if err := server.RegisterName(service, receiver); err != nil {
		panic(err) // a receiver without methods: a defect of the caller's
	}
	return &serverCodec{c: c, server: server, replies: newFrameEncoder(c.out, frameReply), in: newFrameStream(c.cfg.Gob)}
}

// serve serves the one call in payload.
func (k *serverCodec) serve(payload []byte) error {
	k.in.take(payload)
	// An unknown method is answered and leaves the connection as it is; what
	// breaks it has been kept by the codec.
	k.server.ServeRequest(k)
	if k.err == nil {
		k.err = k.in.end()
	}
	if k.in.lent {
		k.c.frame.forgo()
	}
	return k.err
}

func (k *serverCodec) ReadRequestHeader(r *rpc.Request) error {
	k.err = k.in.decode(r)
	return k.err
}

func (k *serverCodec) ReadRequestBody(args any) error {
	k.err = k.in.decode(args)
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
		r.Error = Errorf(CodeUnknown, "no such method").rpcString()
	default: // a method without Serving
		r.Error = toRPC(nil)
	}
	k.err = k.replies.put(r, reply)
	return k.err
}

func (k *serverCodec) Close() error { return nil }
