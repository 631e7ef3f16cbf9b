package protocol

import "mom.internal/wire/internal/gob"

// fields.go lists the fields of the arguments and replies of which there are
// many, as gob.Writer wants them. The numbers are those of the fields in
// calls.go.

// GobFields implements gob.Fielder.
func (b *Batch) GobFields(f *gob.Fields) (byte, []byte) {
	f.Uint(1, b.Next)
	f.Uint(2, b.Missed)
	f.Uint(3, uint64(b.Pending))
	f.Uint(4, uint64(b.Snapshot))
	f.Uint(5, uint64(b.Count))
	f.Bytes(6, b.Types)
	return 7, b.Events
}

// GobFields implements gob.Fielder.
func (a *Ack) GobFields(f *gob.Fields) (byte, []byte) {
	f.Uint(1, a.Events)
	f.Uint(2, a.Bytes)
	f.Bool(3, a.Held)
	return 0, nil
}

// GobFields implements gob.Fielder.
func (p *Page) GobFields(f *gob.Fields) (byte, []byte) {
	f.Own(1, p.Epoch[:])
	f.Uint(2, p.Next)
	f.Uint(3, p.Missed)
	f.Uint(4, uint64(p.Count))
	f.Bytes(5, p.Types)
	f.Bool(6, p.More)
	return 7, p.Events
}
