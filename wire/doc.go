// Package wire is the event model of MoM: what a server publishes, and what the
// handler of a client receives. Applications import it beside momserver or
// momclient. It imports neither, and opens no connection.
//
// MoM means Monitoring on Mirroring. Where a comment says the original, it means
// the MoM server of EPiServer CMS 6 (2010), whose names this package keeps.
//
// # Reading order
//
// An [Event] is one change of state of a mirroring job or of one of its packages.
// [Event.Data] holds its parts: [InitializeData] describes the run,
// [PackageHeader] and [PackageBody] the package, [Status] the change, with its
// [State] and its log, and [Progress] the run so far. [Event.Outcome] tells how a
// run ended.
//
// A [Filter] selects events. A [Cursor] is a place in one server's stream of
// events, and [From] is where a subscription begins.
//
// # Names
//
// A name of a job or of a file, or a path, may be any bytes, and is sent unchanged. To
// show a name, use the form that [EscapeName] returns. To encode an event as JSON,
// encode the one that [Event.Escaped] returns, because encoding/json writes U+FFFD for
// each byte that is not part of valid UTF-8.
//
// # Errors
//
// An error that crosses the wire is an [*Error]: a [Code] and a sentence. A Code
// is an error as well, so that errors.Is(err, wire.Full) holds on both sides.
//
// # Compatibility
//
// The types that cross the wire are flat and finite: they have no maps,
// interfaces, funcs or channels, and no type contains itself. Zero means absent.
// Fields are only ever added, and the number of a state is never used for
// another, so that an old client reads a new server's events, and the reverse.
//
// # Encoding
//
// The encoding is gob. encoding/gob writes it, and a hardened reader of this
// module reads it, because the decoder of encoding/gob trusts its input. Calls are
// net/rpc's. Package protocol describes all of it, in bytes in its PROTOCOL.md,
// and package duplex is the connection; applications need neither.
package wire
