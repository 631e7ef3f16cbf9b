// Package protocol is what a MoM server and its clients say to each other: the
// greeting, the calls with their arguments and replies, dial-back, TLS, and the
// stream of events. PROTOCOL.md beside this file gives the same in bytes, and
// THREATS.md says who is trusted with what.
//
// Packages momserver and momclient import it. Applications should not: only the
// bytes keep their meaning from release to release, not the names in this
// package.
//
// # Greeting
//
// [Greet] and [ReadHello] are the two halves of the greeting, which comes before
// the first gob byte. After it a [duplex.Conn] carries calls both ways. The
// client calls the service [ServerService]; the server calls the service
// [CallbackService], on the same connection or on one that it dialled back, which
// [OfferEndpoint] and [TakeEndpoint] prove to each other.
//
// # Events
//
// An [EventEncoder] encodes each event once for all subscribers, for the life of
// the server. An [EventDecoder] reads them back, for the life of a subscription.
package protocol
