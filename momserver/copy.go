package momserver

import (
	"context"
	"errors"
	"io"
	"sync"
)

// Reader returns a reader of r that counts the bytes that are read as Moved. The
// reader has the method Read only, and no other method of r, such as Close. The
// Reader of a nil Package is r itself.
func (p *Package) Reader(r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return &movingReader{p, r}
}

// Writer returns a writer to w that counts the bytes that are written as Moved.
// The writer has the method Write only. The Writer of a nil Package is w itself.
func (p *Package) Writer(w io.Writer) io.Writer {
	if p == nil {
		return w
	}
	return &movingWriter{p, w}
}

type movingReader struct {
	p *Package
	r io.Reader
}

func (m *movingReader) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.p.Moved(int64(n))
	return n, err
}

type movingWriter struct {
	p *Package
	w io.Writer
}

func (m *movingWriter) Write(b []byte) (int, error) {
	n, err := m.w.Write(b)
	m.p.Moved(int64(n))
	return n, err
}

// copyBuffers holds buffers of 64 KiB.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

var errInvalidWrite = errors.New("momserver: the Writer has returned an impossible count")

// Copy copies from src to dst until src ends, as io.Copy does, and returns how
// many bytes were written. It counts bytes as Moved when they have been written. When ctx is done, Copy returns its
// error before the next read; it does not interrupt a Read or a Write.
func (p *Package) Copy(ctx context.Context, dst io.Writer, src io.Reader) (written int64, err error) {
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		if err := ctx.Err(); err != nil {
			return written, err
		}
		n, readErr := src.Read(buf[:])
		if n > 0 {
			w, err := dst.Write(buf[:n])
			if w < 0 || w > n {
				return written, errInvalidWrite
			}
			written += int64(w)
			p.Moved(int64(w)) // what was not written is not counted as sent, because it would come again
			if err == nil && w < n {
				err = io.ErrShortWrite
			}
			if err != nil {
				return written, err
			}
		}
		switch readErr {
		case nil:
		case io.EOF:
			return written, nil
		default:
			return written, readErr
		}
	}
}
