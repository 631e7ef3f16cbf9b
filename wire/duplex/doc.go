// Package duplex carries net/rpc calls in both directions on one connection, in
// frames of gob. A [Conn] calls the peer and serves the peer's calls, one at a
// time and in order; no call and no reply waits for the network.
//
// Packages momserver and momclient import it, and package protocol for the form
// in which an error crosses the wire. Applications should not: its names may
// change from release to release. It knows no method and no type of MoM but
// [wire.Error].
//
// # Errors
//
// net/rpc carries the error of a call as a string. [RunMethod] makes that of a
// [wire.Error], and [FromRPC] turns it back.
package duplex
