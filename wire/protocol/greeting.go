package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// greeting.go holds what the two sides say before the first gob byte: fixed binary
// fields under a deadline, so that gob reads nothing from an unknown peer.

// Version is the protocol version that this package speaks.
const Version = 1

// MaxServerMessage is the length in bytes of the longest frame payload that a
// server may send. A client accepts it, unless its owner sets another bound.
const MaxServerMessage = 4 << 20

// MaxHeartbeat is the longest time that a server may leave between two calls to a
// subscriber. If a server announces a longer time, a client assumes this one.
const MaxHeartbeat = 10 * time.Minute

// greetMagic opens the greeting in both directions.
const greetMagic = "MoM\x01"

// maxRefusal bounds the body of a server's answer in bytes.
const maxRefusal = 1024

// Welcome is the answer of a server that accepts a client.
type Welcome struct {
	Epoch      uuid.UUID     // of the server's stream of events
	Heartbeat  time.Duration // longest time between two calls to a subscriber, in whole milliseconds
	MaxMessage uint32        // length in bytes of the longest frame payload that the server accepts
}

// welcomeSize is the length of a Welcome in bytes.
const welcomeSize = 16 + 4 + 4

// Greet greets the server on nc as a client, with a token or "", and returns the
// server's welcome. The greeting ends after timeout, so the caller sets no deadline.
// If Greet returns an error, the caller closes nc.
//
// If the server refuses the connection, the error has the code and the words of the
// refusal. If the token is longer than [wire.MaxTokenBytes], its code is
// [wire.BadRequest]. Else the error names the peer, and its code is [wire.NotMoM],
// [wire.VersionMismatch], [wire.ProtocolError], [wire.BadCertificate],
// [wire.Timeout] or [wire.Lost].
func Greet(nc net.Conn, token string, timeout time.Duration) (Welcome, error) {
	if len(token) > wire.MaxTokenBytes {
		return Welcome{}, wire.Errorf(wire.BadRequest, "a token of %d bytes; at most %d", len(token), wire.MaxTokenBytes)
	}
	nc.SetDeadline(time.Now().Add(timeout))
	defer nc.SetDeadline(time.Time{})

	out := append([]byte(greetMagic), Version)
	out = binary.BigEndian.AppendUint16(out, uint16(len(token)))
	out = append(out, token...)
	if _, err := nc.Write(out); err != nil {
		// The peer may have refused the connection before it read the hello. Its
		// answer says more than err.
		if w, rerr := readWelcome(nc); rerr == nil || !errors.Is(rerr, wire.Lost) {
			return w, rerr
		}
		return Welcome{}, greetError(nc, err)
	}
	return readWelcome(nc)
}

// readWelcome reads the server's half of the greeting: magic, version, status,
// length, body.
func readWelcome(nc net.Conn) (Welcome, error) {
	var head [8]byte
	if n, err := io.ReadFull(nc, head[:4]); n > 0 && string(head[:n]) != greetMagic[:n] {
		return Welcome{}, wire.Errorf(wire.NotMoM, "%v is not a MoM server: it answered %s", nc.RemoteAddr(), describe(head[:n]))
	} else if err != nil {
		return Welcome{}, greetError(nc, err)
	}
	if _, err := io.ReadFull(nc, head[4:]); err != nil {
		return Welcome{}, greetError(nc, err)
	}
	version, refused, size := head[4], head[5] != 0, int(binary.BigEndian.Uint16(head[6:]))
	if size > maxRefusal {
		return Welcome{}, wire.Errorf(wire.NotMoM, "%v is not a MoM server: a greeting of %d bytes", nc.RemoteAddr(), size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(nc, body); err != nil {
		return Welcome{}, greetError(nc, err)
	}
	if refused {
		said := duplex.ParseError(string(body))
		return Welcome{}, &wire.Error{Code: said.Code, After: said.After, Message: fmt.Sprintf("%v refused the connection: %s", nc.RemoteAddr(), said.Message)}
	}
	if version != Version {
		return Welcome{}, versionError(nc, version)
	}
	if size < welcomeSize { // a newer server may send more, which is ignored
		return Welcome{}, wire.Errorf(wire.ProtocolError, "%v sent a welcome of %d bytes; want %d", nc.RemoteAddr(), size, welcomeSize)
	}
	return Welcome{
		Epoch:      uuid.UUID(body[:16]),
		Heartbeat:  time.Duration(binary.BigEndian.Uint32(body[16:])) * time.Millisecond,
		MaxMessage: binary.BigEndian.Uint32(body[20:]),
	}, nil
}

func versionError(nc net.Conn, version uint8) *wire.Error {
	return wire.Errorf(wire.VersionMismatch, "%v speaks protocol version %d, this side %d; use a matching release", nc.RemoteAddr(), version, Version)
}

// greetError says why the peer's half of the greeting did not arrive. Its cause is
// err.
func greetError(nc net.Conn, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return wire.Errorf(wire.Timeout, "%v did not greet in time; is it a MoM server?", nc.RemoteAddr()).WithCause(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return wire.Errorf(wire.Lost, "%v closed the connection before it greeted; is it a MoM server?", nc.RemoteAddr()).WithCause(err)
	case isCertificateAlert(err): // with TLS 1.3 a client gets the alert after its handshake
		return HandshakeError(nc.RemoteAddr(), err)
	}
	return wire.Errorf(wire.Lost, "greeting %v: %w", nc.RemoteAddr(), err)
}

// describe names the protocol that begins with the bytes of head, or quotes them.
func describe(head []byte) string {
	switch {
	case opensTLS(head):
		return "in TLS; connect with TLS"
	case bytes.HasPrefix(head, []byte("HTTP")), bytes.HasPrefix(head, []byte("GET ")), bytes.HasPrefix(head, []byte("POST")):
		return "in HTTP"
	case bytes.HasPrefix(head, []byte("SSH-")):
		return "in SSH"
	}
	return fmt.Sprintf("%q", head)
}

// ReadHello reads a client's half of the greeting as a server, and returns the
// client's token, "" for none. The caller sets the deadline. The error is a
// [*wire.Error], which the caller may answer with [Refuse], unless its code is
// [wire.NotMoM].
func ReadHello(nc net.Conn) (string, error) {
	var head [7]byte
	if n, err := io.ReadFull(nc, head[:4]); n > 0 && string(head[:n]) != greetMagic[:n] {
		if opensTLS(head[:n]) {
			return "", wire.Errorf(wire.TLSMismatch, "there is no TLS at this port; connect without it")
		}
		return "", wire.Errorf(wire.NotMoM, "the greeting is not a MoM client's: it opened %s", describe(head[:n]))
	} else if err != nil {
		return "", helloError(err)
	}
	if _, err := io.ReadFull(nc, head[4:]); err != nil {
		return "", helloError(err)
	}
	if head[4] != Version {
		return "", versionError(nc, head[4])
	}
	size := int(binary.BigEndian.Uint16(head[5:]))
	if size > wire.MaxTokenBytes {
		return "", wire.Errorf(wire.Unauthorized, "a token of %d bytes; at most %d", size, wire.MaxTokenBytes)
	}
	token := make([]byte, size)
	if _, err := io.ReadFull(nc, token); err != nil {
		return "", helloError(err)
	}
	return string(token), nil
}

// helloError says why the client's half of the greeting did not arrive. Its cause
// is err.
func helloError(err error) *wire.Error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return wire.Errorf(wire.Timeout, "the greeting did not come in time").WithCause(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return wire.Errorf(wire.Lost, "the client closed the connection before it had greeted").WithCause(err)
	}
	return wire.Errorf(wire.Lost, "reading the greeting: %w", err)
}

// Accept answers a client with the welcome, as a server.
func Accept(nc net.Conn, w Welcome) error {
	body := append(make([]byte, 0, welcomeSize), w.Epoch[:]...)
	body = binary.BigEndian.AppendUint32(body, uint32(min(w.Heartbeat.Milliseconds(), math.MaxUint32)))
	body = binary.BigEndian.AppendUint32(body, w.MaxMessage)
	return writeAnswer(nc, 0, body)
}

// Refuse answers a client with the reason of the refusal, as a server.
func Refuse(nc net.Conn, why *wire.Error) error {
	return writeAnswer(nc, 1, []byte(duplex.Clip(duplex.FormatError(why), maxRefusal-4)))
}

func writeAnswer(nc net.Conn, status byte, body []byte) error {
	out := append([]byte(greetMagic), Version, status)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)))
	_, err := nc.Write(append(out, body...))
	return err
}
