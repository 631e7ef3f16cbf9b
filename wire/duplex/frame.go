package duplex

import (
	"io"

	"mom.internal/wire/internal/gob"
)

// frameBuffer is a buffer that grows only as bytes arrive, whatever length the
// peer has announced.
type frameBuffer struct{ buf []byte }

// frameStep is how far the buffer is trusted ahead of the bytes.
const frameStep = 64 << 10

// release leaves what has been read last to its users.
func (in *frameBuffer) release() { in.buf = nil }

// fill reads size bytes of the stream. They are valid until the next call, or
// after release for ever. If there are many, stream looks at those that have come
// before fill makes room for more.
func (in *frameBuffer) fill(r io.Reader, size int, stream *gob.Stream) ([]byte, error) {
	if cap(in.buf) > 4*frameStep && size < frameStep {
		in.buf = nil // one large message does not stay for ever
	}
	in.buf = in.buf[:0]
	for len(in.buf) < size {
		n := min(size-len(in.buf), frameStep)
		if free := cap(in.buf) - len(in.buf); free < n {
			if stream != nil && len(in.buf) > 0 {
				if err := stream.Precheck(in.buf); err != nil {
					return nil, err
				}
			}
			in.buf = append(make([]byte, 0, min(size, 2*cap(in.buf)+n)), in.buf...)
		}
		part := in.buf[len(in.buf) : len(in.buf)+n]
		if _, err := io.ReadFull(r, part); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		in.buf = in.buf[:len(in.buf)+n]
	}
	return in.buf, nil
}
