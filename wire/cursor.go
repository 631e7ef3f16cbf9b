package wire

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Cursor is a place in one server's stream of events, just after the event Seq. A
// restarted server has a new epoch and counts from 1 again, so cursors of
// different epochs have no order. The zero Cursor names no place.
type Cursor struct {
	Epoch uuid.UUID `json:"epoch"`
	Seq   uint64    `json:"seq"`
}

// IsZero reports whether c names no place.
func (c Cursor) IsZero() bool { return c.Epoch == uuid.Nil }

// String returns "epoch/seq", such as 0b49b7e6-3df0-4ad0-a9d1-9a4b21f1b1e4/42.
func (c Cursor) String() string { return c.Epoch.String() + "/" + strconv.FormatUint(c.Seq, 10) }

// ParseCursor parses what String returns.
func ParseCursor(text string) (Cursor, error) {
	epoch, seq, ok := strings.Cut(text, "/")
	if !ok {
		return Cursor{}, fmt.Errorf("wire: %.64q is not a cursor: want EPOCH/SEQ", text)
	}
	id, err := uuid.Parse(epoch)
	if err != nil || len(epoch) != 36 || id == uuid.Nil {
		return Cursor{}, fmt.Errorf("wire: %.64q is not a cursor: %.64q is not an epoch", text, epoch)
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return Cursor{}, fmt.Errorf("wire: %.64q is not a cursor: %.64q is not a sequence number", text, seq)
	}
	return Cursor{Epoch: id, Seq: n}, nil
}
