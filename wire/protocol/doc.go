// Package protocol is what a MoM server and its clients say to each other: the
// greeting, the calls with their arguments and replies, dial-back, TLS, and the
// stream of events. PROTOCOL.md beside this file describes the same in bytes, and
// THREATS.md which side is trusted with what.
//
// Packages momserver and momclient import it. Applications should not: the bytes
// keep their meaning from release to release, but the names in this package may
// change.
//
// # Greeting
//
// The greeting comes before the first gob byte: [Greet] is the client's half, and
// [ReadHello] with [Accept] or [Refuse] is the server's. Then a [duplex.Conn]
// carries calls both ways. The client calls the service [ServerService]. The server
// calls the service [CallbackService], on the same connection or on one that it has
// dialled back. The ends of the latter identify each other with [OfferEndpoint] and
// [TakeEndpoint].
//
// # Events
//
// A server has one [EventEncoder], which encodes each event once for all
// subscribers. A subscription has one [EventDecoder]. [SentDefs] are the definitions
// that the decoder has been sent.
package protocol
