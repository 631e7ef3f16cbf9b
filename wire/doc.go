// Package wire holds what a MoM server and its clients say to each other:
// the event model, the words of the protocol, and the connection that carries
// net/rpc calls in both directions. PROTOCOL.md beside this file gives the
// same in bytes.
//
// # Data
//
// An [Event] is one change of state of a mirroring job or of one of its
// packages. It is sent as gob, encoded once by an [EventEncoder] for the life
// of the server; [EventDecoder] reads it back. The types that cross the wire,
// which are the event and the arguments and replies of calls, are flat and
// finite: no maps, interfaces, funcs or channels, no recursion. Zero means
// absent. Fields are only ever added, and [State] numbers are never reused,
// so that an old client reads a new server's events and the other way round.
//
// encoding/gob writes the streams but does not read them, because its decoder
// trusts what it reads. This package has a reader of its own, within bounds.
//
// # Calls
//
// After the greeting ([Greet], [Welcome]) a [Conn] carries frames both ways.
// The client calls the service [ServerService]; the server calls the service
// [CallbackService] on the connection that the subscriber chose. Each side
// serves one call at a time, in the order of arrival.
//
// # Errors
//
// Errors that cross the wire are [*Error]: a [Code] and a sentence. net/rpc
// carries only a string; [FromRPC] turns it back, so errors.Is holds on both
// sides.
package wire
