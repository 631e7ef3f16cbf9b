package duplex

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
)

// frame.go reads frames. A frame is a head, which holds its kind and the length
// of its payload, and the payload: a call or a reply in gob. A peer may announce
// any length, but memory is allocated only as the bytes arrive.

// frameKind is the first byte of a frame.
type frameKind byte

const (
	frameCall  frameKind = 1 // the payload is an rpc.Request and the arguments
	frameReply frameKind = 2 // the payload is an rpc.Response and the reply
)

// frameHead is the length of a frame's head in bytes.
const frameHead = 5

// frameReader reads the frames of a connection. Only the reader uses it.
type frameReader struct {
	nc      net.Conn
	cfg     *ConnConfig
	ahead   *readAhead
	streams [frameReply + 1]*gob.Stream // by frameKind; nil where no stream is decoded
	frameBuffer
}

// next returns the next frame. Its payload is valid until the next call, or for
// ever if buf is set to nil before.
func (r *frameReader) next() (frameKind, []byte, error) {
	if err := r.ahead.wait(); err != nil {
		return 0, nil, r.readError(err)
	}
	if !r.wholeBuffered() { // the rest of the frame has until the deadline
		r.nc.SetReadDeadline(time.Now().Add(r.cfg.MessageTimeout))
		defer r.nc.SetReadDeadline(time.Time{})
	}
	var head [frameHead]byte
	if _, err := io.ReadFull(r.ahead, head[:]); err != nil {
		return 0, nil, r.readError(err)
	}
	kind, size := frameKind(head[0]), binary.BigEndian.Uint32(head[1:])
	if kind != frameCall && kind != frameReply {
		return 0, nil, wire.Errorf(wire.ProtocolError, "%v sent a frame of kind %d", r.nc.RemoteAddr(), kind)
	}
	if uint64(size) > uint64(r.cfg.MaxMessage) {
		return 0, nil, wire.Errorf(wire.TooLarge, "%v sent a message of %d bytes; at most %d", r.nc.RemoteAddr(), size, r.cfg.MaxMessage)
	}
	payload, err := r.fill(r.ahead, int(size), r.streams[kind])
	if err != nil {
		return 0, nil, r.readError(err)
	}
	return kind, payload, nil
}

// wholeBuffered reports whether the next frame has been read ahead.
func (r *frameReader) wholeBuffered() bool {
	b := r.ahead.buf
	return len(b) >= frameHead && uint64(len(b)-frameHead) >= uint64(binary.BigEndian.Uint32(b[1:]))
}

// callsBehind counts the calls that have been read ahead, or returns 0 if there
// cannot be as many as limit.
func (r *frameReader) callsBehind(limit int) (n int) {
	ahead := r.ahead.buf
	if len(ahead) < limit*frameHead {
		return 0
	}
	for len(ahead) >= frameHead {
		if frameKind(ahead[0]) == frameCall {
			n++
		}
		size := uint64(frameHead) + uint64(binary.BigEndian.Uint32(ahead[1:]))
		if size > uint64(len(ahead)) {
			break
		}
		ahead = ahead[size:]
	}
	return n
}

// readError says why no frame was read, and keeps err as the cause.
func (r *frameReader) readError(err error) error {
	peer := r.nc.RemoteAddr()
	switch {
	case errors.As(err, new(gob.Error)):
		return ProtocolError(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return wire.Errorf(wire.Stalled, "a message from %v was not whole after %v", peer, r.cfg.MessageTimeout).WithCause(err)
	case errors.Is(err, io.EOF):
		return wire.Errorf(wire.Lost, "%v closed the connection", peer).WithCause(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return wire.Errorf(wire.Lost, "%v closed the connection within a message", peer).WithCause(err)
	}
	return wire.Errorf(wire.Lost, "reading from %v: %w", peer, err)
}

// frameBuffer is a buffer that grows only as bytes arrive, whatever length the
// peer has announced.
type frameBuffer struct{ buf []byte }

// frameStep is how many bytes of room the buffer makes before they arrive.
const frameStep = 64 << 10

// fill reads size bytes of r. If they are many, stream checks the bytes that have
// arrived before fill makes room for more.
func (f *frameBuffer) fill(r io.Reader, size int, stream *gob.Stream) ([]byte, error) {
	if cap(f.buf) > 4*frameStep && size < frameStep {
		f.buf = nil // so that one large frame does not keep its buffer for ever
	}
	f.buf = f.buf[:0]
	for len(f.buf) < size {
		n := min(size-len(f.buf), frameStep)
		if free := cap(f.buf) - len(f.buf); free < n {
			if stream != nil && len(f.buf) > 0 {
				if err := stream.Precheck(f.buf); err != nil {
					return nil, err
				}
			}
			f.buf = append(make([]byte, 0, min(size, 2*cap(f.buf)+n)), f.buf...)
		}
		part := f.buf[len(f.buf) : len(f.buf)+n]
		if _, err := io.ReadFull(r, part); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		f.buf = f.buf[:len(f.buf)+n]
	}
	return f.buf, nil
}
