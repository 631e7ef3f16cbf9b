package protocol

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"slices"
	"time"

	"mom.internal/wire"
)

// Dial-back: the server connects to an address that a subscriber named. Both
// ends know a ticket that crossed the subscriber's own connection. The dialled
// end speaks first, so that a service that never asked for this gets not one
// byte; then the server proves itself, so that nobody else can feed the
// endpoint events. The ticket itself is never sent here.

// endpointOpening opens the endpoint's proof: magic, version.
var endpointOpening = []byte{'M', 'o', 'M', 2, Version}

const (
	nonceSize    = 16
	endpointHead = 5 // bytes of endpointOpening
	endpointSize = endpointHead + nonceSize + sha256.Size
)

func errNoEndpoint() *wire.Error {
	return wire.Errorf(wire.CallbackFailed, "what listens at the callback address did not prove to be the endpoint of this subscription")
}

// proof is what a holder of the ticket can say to a fresh nonce.
func proof(ticket []byte, role string, nonce []byte) []byte {
	mac := hmac.New(sha256.New, ticket)
	io.WriteString(mac, "mom dial-back "+role)
	mac.Write(nonce)
	return mac.Sum(nil)
}

// OfferEndpoint speaks first on a connection that came to a callback endpoint,
// and returns the connection to go on with once the other end has proven to be
// the server that holds the ticket. secure puts TLS on the connection, or
// returns it as it is. On an error the caller closes nc.
func OfferEndpoint(nc net.Conn, ticket []byte, timeout time.Duration, secure func(net.Conn) (net.Conn, error)) (net.Conn, error) {
	nc.SetDeadline(time.Now().Add(timeout))
	defer nc.SetDeadline(time.Time{})
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	out := slices.Concat(endpointOpening, nonce, proof(ticket, "endpoint", nonce))
	if _, err := nc.Write(out); err != nil {
		return nil, greetError(nc, err)
	}
	secured, err := secure(nc)
	if err != nil {
		return nil, HandshakeError(nc.RemoteAddr(), err)
	}
	answer := make([]byte, sha256.Size)
	if _, err := io.ReadFull(secured, answer); err != nil {
		return nil, greetError(nc, err)
	}
	if !hmac.Equal(answer, proof(ticket, "server", nonce)) {
		return nil, wire.Errorf(wire.Unauthorized, "%v is not the server that was asked to call back", nc.RemoteAddr())
	}
	return secured, nil
}

// TakeEndpoint reads the endpoint's proof on a connection that the server
// dialled, and answers with its own. It sends nothing before the proof holds,
// not even TLS, which secure puts on the connection after it. On an error the
// caller closes nc.
func TakeEndpoint(nc net.Conn, ticket []byte, timeout time.Duration, secure func(net.Conn) (net.Conn, error)) (net.Conn, error) {
	nc.SetDeadline(time.Now().Add(timeout))
	defer nc.SetDeadline(time.Time{})
	// The errors go to the subscriber, who may be asking about a neighbour:
	// they do not tell what was heard.
	head, said := make([]byte, endpointHead), make([]byte, endpointSize-endpointHead)
	if _, err := io.ReadFull(nc, head); err != nil {
		return nil, errNoEndpoint()
	}
	if !bytes.Equal(head, endpointOpening) {
		return nil, errNoEndpoint() // a banner may be shorter than a proof: do not wait
	}
	if _, err := io.ReadFull(nc, said); err != nil {
		return nil, errNoEndpoint()
	}
	nonce := said[:nonceSize]
	if !hmac.Equal(said[nonceSize:], proof(ticket, "endpoint", nonce)) {
		return nil, errNoEndpoint()
	}
	secured, err := secure(nc)
	if err != nil {
		// The endpoint has proven to be the subscriber's own: it may be told.
		return nil, wire.Errorf(wire.CallbackFailed, "the callback endpoint: %v", HandshakeError(nc.RemoteAddr(), err)).WithCause(err)
	}
	if _, err := secured.Write(proof(ticket, "server", nonce)); err != nil {
		return nil, wire.Errorf(wire.CallbackFailed, "the callback endpoint did not take the server's proof: %w", err)
	}
	return secured, nil
}
