package protocol

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"mom.internal/wire"
)

// dialback.go identifies the two ends of a connection that the server has dialled
// back, to an address that a subscriber has named. Both ends know a ticket, which was
// sent on the subscriber's own connection and is never sent here. The dialled end
// speaks first, so that a service that did not ask for the connection is not sent
// one byte. Then the server proves that it holds the ticket, so that nobody else can
// send events to the endpoint.

// endpointOpening begins the endpoint's proof: magic, version.
var endpointOpening = []byte{'M', 'o', 'M', 2, Version}

const (
	nonceSize    = 16
	endpointHead = 5 // the length of endpointOpening
	endpointSize = endpointHead + nonceSize + sha256.Size
)

// NoEndpoint returns the error that a subscriber is told if no endpoint of its
// own was found at its callback address, whatever the reason. Otherwise the
// subscriber could have the server resolve names and look for open ports.
func NoEndpoint() *wire.Error {
	return wire.Errorf(wire.CallbackFailed, "the server found no endpoint of this subscription at the callback address; it dials only your own address, unless its owner allows others, and its log says more")
}

var errNoProof = errors.New("it did not prove to be the endpoint of this subscription")

// proof returns what only a holder of the ticket can compute from the nonce.
func proof(ticket []byte, role string, nonce []byte) []byte {
	mac := hmac.New(sha256.New, ticket)
	io.WriteString(mac, "mom dial-back "+role)
	mac.Write(nonce)
	return mac.Sum(nil)
}

// OfferEndpoint is the endpoint's half, on a connection that the endpoint has
// accepted. It returns the connection to use when the other end has proven that it
// holds the ticket. secure puts TLS on the connection, or returns it as it is. If
// OfferEndpoint returns an error, the caller closes nc.
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

// TakeEndpoint is the server's half, on a connection that the server has dialled. It
// checks the endpoint's proof and answers with its own. Before the proof holds it
// sends nothing, not even TLS, which secure then puts on the connection. If
// TakeEndpoint returns an error, the caller closes nc.
func TakeEndpoint(nc net.Conn, ticket []byte, timeout time.Duration, secure func(net.Conn) (net.Conn, error)) (net.Conn, error) {
	nc.SetDeadline(time.Now().Add(timeout))
	defer nc.SetDeadline(time.Time{})
	said := make([]byte, endpointSize)
	head, nonce, sum := said[:endpointHead], said[endpointHead:endpointHead+nonceSize], said[endpointHead+nonceSize:]
	// If the head is wrong, do not wait for more, because a banner may be shorter
	// than a proof. A proof that is cut off does not hold.
	_, err := io.ReadFull(nc, head)
	if err == nil && bytes.Equal(head, endpointOpening) {
		_, err = io.ReadFull(nc, said[endpointHead:])
	}
	if !hmac.Equal(sum, proof(ticket, "endpoint", nonce)) {
		return nil, NoEndpoint().WithCause(cmp.Or(err, errNoProof)) // the subscriber is told no cause
	}
	secured, err := secure(nc)
	if err != nil {
		// The endpoint is the subscriber's own, so the subscriber may be told.
		return nil, wire.Errorf(wire.CallbackFailed, "the callback endpoint: %v", HandshakeError(nc.RemoteAddr(), err)).WithCause(err)
	}
	if _, err := secured.Write(proof(ticket, "server", nonce)); err != nil {
		return nil, wire.Errorf(wire.CallbackFailed, "the callback endpoint did not take the server's proof: %w", err)
	}
	return secured, nil
}
