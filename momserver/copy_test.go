package momserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// shortWriter writes all but one byte, and says nothing of it.
type shortWriter struct{}

func (shortWriter) Write(b []byte) (int, error) { return len(b) - 1, nil }

// fullWriter takes some bytes.
type fullWriter struct{ room int }

var errFull = errors.New("no space left")

func (w *fullWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.room)
	if w.room -= n; n < len(b) {
		return n, errFull
	}
	return n, nil
}

// TestCopy copies, and counts what was read and what was written, in each way
// that a copy can end.
func TestCopy(t *testing.T) {
	content := strings.Repeat("0123456789", 20_000)
	broken := errors.New("the source is broken")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, tc := range map[string]struct {
		ctx            context.Context
		dst            io.Writer
		src            io.Reader
		sent, received int64
		err            error
	}{
		"whole":         {dst: io.Discard, src: strings.NewReader(content), sent: 200_000, received: 200_000},
		"empty":         {dst: io.Discard, src: strings.NewReader("")},
		"data with EOF": {dst: io.Discard, src: iotest.DataErrReader(strings.NewReader(content)), sent: 200_000, received: 200_000},
		"one by one":    {dst: io.Discard, src: iotest.OneByteReader(strings.NewReader(content[:99])), sent: 99, received: 99},
		"broken source": {dst: io.Discard, src: io.MultiReader(strings.NewReader(content[:99]), iotest.ErrReader(broken)), sent: 99, received: 99, err: broken},
		"full":          {dst: &fullWriter{50}, src: strings.NewReader(content[:99]), sent: 50, received: 50, err: errFull},
		"short write":   {dst: shortWriter{}, src: strings.NewReader(content[:99]), sent: 98, received: 98, err: io.ErrShortWrite},
		"cancelled":     {ctx: cancelled, dst: io.Discard, src: strings.NewReader(content), err: context.Canceled},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			j := s.MustStartJob(s.JobID, wire.InitializeData{})
			p, _ := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
			if tc.ctx == nil {
				tc.ctx = context.Background()
			}
			n, err := p.Copy(tc.ctx, tc.dst, tc.src)
			if h := p.Header(); n != tc.received || !errors.Is(err, tc.err) || h.SizeOfSentData != tc.sent || h.SizeOfReceivedData != tc.received {
				t.Errorf("%s: %d bytes, %v, %+v", name, n, err, h)
			}
		})
	}
}

// TestReaderWriter pass the bytes on, and count them.
func TestReaderWriter(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		j := s.MustStartJob(s.JobID, wire.InitializeData{})
		for _, nilPackage := range []bool{false, true} {
			p, _ := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
			q, _ := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
			want := int64(300)
			if nilPackage {
				p, q, want = nil, nil, 0
			}
			var dst bytes.Buffer
			content := strings.Repeat("abc", 100)
			n, err := io.Copy(q.Writer(&dst), p.Reader(strings.NewReader(content)))
			if n != 300 || err != nil || dst.String() != content || p.Header().SizeOfReceivedData != want || q.Header().SizeOfSentData != want {
				t.Errorf("%d, %v, %+v, %+v", n, err, p.Header(), q.Header())
			}
			if n, err := p.Writer(&fullWriter{2}).Write([]byte("abc")); n != 2 || err != errFull {
				t.Errorf("%d, %v", n, err)
			}
			if _, err := p.Reader(iotest.ErrReader(errFull)).Read(make([]byte, 1)); err != errFull {
				t.Error(err)
			}
			dst.Reset()
			if n, err := p.Copy(context.Background(), &dst, strings.NewReader(content)); n != 300 || err != nil || dst.String() != content {
				t.Errorf("%d, %v", n, err)
			}
		}
	})
}
