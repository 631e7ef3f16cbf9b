// Package wire is the event model of MoM: what a server publishes, and what a
// client's handler gets. Applications import it beside momserver or momclient.
// It needs neither, and knows nothing of connections.
//
// # Data
//
// An [Event] is one change of state of a mirroring job or of one of its
// packages. A [Filter] selects events, and a [Cursor] is a place in one server's
// stream of events. The types that cross the wire are flat and finite: no maps,
// interfaces, funcs or channels, no recursion. Zero means absent. Fields are only
// ever added, and [State] numbers are never reused, so that an old client reads a
// new server's events and the other way round.
//
// # Errors
//
// Errors that cross the wire are [*Error]: a [Code] and a sentence, so that
// errors.Is(err, wire.Full) holds on both sides.
//
// # On the wire
//
// Calls are net/rpc, and data is gob, in frames of this module's own after a
// greeting. encoding/gob writes the streams but does not read them, because its
// decoder trusts what it reads. Package protocol describes all of it in bytes, in
// PROTOCOL.md; package duplex is the connection.
package wire
