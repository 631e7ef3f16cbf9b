// Package gob reads what encoding/gob writes, within fixed bounds, and writes
// some values faster than encoding/gob. Package duplex imports it for calls and
// replies, package protocol for events; nobody else should.
//
// A [Stream] reads the payloads of a connection, [Records] reads values whose
// type definitions came apart from them, and a [Writer] writes. What a peer may
// send is bounded in type definitions, in fields, in elements of slices, and in
// the length of the head of a call.
//
// # Why not gob.Decoder
//
// encoding/gob's decoder trusts what it reads. A map that nobody asked for makes
// it count to 2^62, a type that contains itself overflows the stack, a length
// without bytes makes it allocate, and it keeps definitions without end. It also
// copies and allocates for every value, which was a third of what a delivery
// cost. So the streams are written by encoding/gob, or as it would write them,
// and read here. The tests compare the two.
package gob

import "fmt"

// Error says why a stream is refused: it is malformed, exceeds a bound, or does
// not fit the value that it is read into.
type Error string

func (e Error) Error() string { return string(e) }

func errorf(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }
