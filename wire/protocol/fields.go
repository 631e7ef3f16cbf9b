package protocol

import "mom.internal/wire/internal/gob"

// fields.go lists the fields of the arguments and replies that are sent most, in
// the order in which calls.go declares them, so that gob.Writer encodes them.

// GobFields implements gob.Fielder.
func (b *Batch) GobFields(f *gob.Fields) []byte {
	f.Uint(b.Next)
	f.Uint(b.Missed)
	f.Uint(uint64(b.Pending))
	f.Uint(uint64(b.Snapshot))
	f.Uint(uint64(b.Count))
	f.Bytes(b.Types)
	return b.Events
}

// GobFields implements gob.Fielder.
func (a *Ack) GobFields(f *gob.Fields) []byte {
	f.Uint(a.Events)
	f.Uint(a.Bytes)
	f.Bool(a.Held)
	return nil
}

// GobFields implements gob.Fielder.
func (p *Page) GobFields(f *gob.Fields) []byte {
	f.Own(p.Epoch[:])
	f.Uint(p.Next)
	f.Uint(p.Missed)
	f.Uint(uint64(p.Count))
	f.Bytes(p.Types)
	f.Bool(p.More)
	return p.Events
}
