package mirror

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// verify.go compares what arrived with what was sent. A package is read twice:
// whole, before anything of it is put in place, and again to put it there. So
// that nothing can change in between, the first reading seals each entry.

var errDamaged = errors.New("the package was damaged on its way: other bytes arrived than were sent")

// seal is the digest of an entry: its header and its content.
type seal [sha256.Size]byte

// verify compares the package with the size and digest of what was sent, and
// returns the seals of its entries.
func verify(ctx context.Context, f io.Reader, size int64, sum []byte) ([]seal, error) {
	digest := &counted{Hash: sha256.New()}
	in := io.TeeReader(untilDone{ctx, f}, digest)
	seals := sealAll(in)
	_, err := io.Copy(io.Discard, in) // what lies behind the last entry, and behind what is none
	switch {
	case err != nil:
		return nil, err
	case digest.n != size:
		return nil, fmt.Errorf("the package was damaged on its way: %d bytes arrived of %d", digest.n, size)
	case !bytes.Equal(digest.Sum(nil), sum):
		return nil, errDamaged
	}
	return seals, nil
}

// sealAll seals the entries as far as they can be read.
func sealAll(in io.Reader) (seals []seal) {
	tr := tar.NewReader(in)
	for {
		h, err := tr.Next()
		if err != nil {
			return seals
		}
		entry := newSealed(h, tr)
		if _, err := io.Copy(io.Discard, entry); err != nil {
			return seals
		}
		seals = append(seals, entry.sum())
	}
}

// counted is a digest of so many bytes.
type counted struct {
	hash.Hash
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

// sealed is the content of an entry, whose digest is made as it is read.
type sealed struct {
	io.Reader
	digest hash.Hash
}

func newSealed(h *tar.Header, content io.Reader) *sealed {
	digest := sha256.New()
	fmt.Fprintf(digest, "%c %q %q %o %d %d\n", h.Typeflag, h.Name, h.Linkname, h.Mode, h.ModTime.UnixNano(), h.Size)
	return &sealed{io.TeeReader(content, digest), digest}
}

func (s *sealed) sum() (sum seal) {
	s.digest.Sum(sum[:0])
	return sum
}

// check compares the entry, read whole, with its seal.
func (s *sealed) check(want seal) error {
	if s.sum() != want {
		return errDamaged
	}
	return nil
}
