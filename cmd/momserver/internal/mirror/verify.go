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

// This file compares a package that has arrived with the one that was sent. The
// package is read twice: completely, before any entry is put in place, and then
// to put entries in place. The first reading seals each entry, so that a change in
// between is found.

var errDamaged = errors.New("the package was damaged on its way: other bytes arrived than were sent")

// seal is the digest of an entry: its header and its content.
type seal [sha256.Size]byte

// verify compares the package with the size and the digest of the bytes that
// were sent, and returns the seals of its entries.
func verify(ctx context.Context, f io.Reader, size int64, sum []byte) ([]seal, error) {
	digest := &counted{Hash: sha256.New()}
	in := io.TeeReader(untilDone{ctx, f}, digest)
	seals := sealAll(in)
	_, err := io.Copy(io.Discard, in) // reads the rest after the last entry that can be read
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

// counted is a digest and the number of its bytes.
type counted struct {
	hash.Hash
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

// sealed is the content of an entry. Reading it updates its digest.
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

// check compares an entry that was read completely with its seal.
func (s *sealed) check(want seal) error {
	if s.sum() != want {
		return errDamaged
	}
	return nil
}
