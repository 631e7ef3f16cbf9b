// Package duplex carries net/rpc calls in both directions on one connection, as
// gob in frames. A [Conn] calls the peer and serves the peer's calls, one at a time
// and in order. No call and no reply waits for the network.
//
// Packages momserver and momclient import it, and so does package protocol for
// errors. Applications should not: its names may change from release to release.
// It knows no method and no type of MoM but [wire.Error].
//
// # Errors
//
// net/rpc carries the error of a call as a string. [RunMethod] turns a
// [*wire.Error] into that string, and [FromRPC] turns the string back.
//
// # The way of a call
//
// A call or reply that this side sends passes codec.go, which encodes it, and
// outbox.go, which writes it. A frame that arrives passes readahead.go, frame.go
// and receive.go, and then codec.go again, which decodes it for net/rpc.
package duplex
