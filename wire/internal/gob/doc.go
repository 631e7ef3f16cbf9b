// Package gob reads what encoding/gob writes, within fixed bounds, and writes
// some values faster than encoding/gob does. Package duplex imports it for calls
// and replies, and package protocol for events. It knows nothing of MoM.
//
// A [Stream] reads the payloads of a connection, [Records] reads values that
// arrive apart from their type definitions, and a [Writer] writes.
//
// # Why not gob.Decoder
//
// The decoder of encoding/gob trusts its input. A map that the reader does not
// even decode makes it count to 2^62, a type that contains itself overflows the
// stack, a length without bytes makes it allocate, and it keeps definitions
// without end. It also copies and allocates for every value, which took a third
// of the time of a delivery. So encoding/gob writes the streams, or a Writer
// writes the same bytes, and this package reads them. Its tests compare the two.
//
// # Bounds
//
// A peer may define a bounded number of types, fields and bytes of definitions,
// of kinds that are cheap to read, and send a bounded number of elements in the
// slices of one value, because an element takes its full size in memory, however
// few bytes it takes in the stream. The head of a call is bounded as well.
package gob

import "fmt"

// Error says why a stream is refused: it is malformed, exceeds a bound, or does
// not fit the value that it is decoded into.
type Error string

func (e Error) Error() string { return string(e) }

func errorf(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }
