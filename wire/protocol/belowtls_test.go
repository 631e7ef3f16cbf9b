package protocol

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

// TestBelowTLS: a client may send any data over TLS in records of any length, but
// few key updates and little padding.
func TestBelowTLS(t *testing.T) {
	const data = 23                   // the type of a record
	srv := httptest.NewTLSServer(nil) // for its certificate
	cert := srv.TLS.Certificates[0]
	srv.Close()
	for name, tc := range map[string]struct {
		send func(r *records)
		want int // bytes of data that arrive
		ends bool
	}{
		"short records": {want: 50_000, send: func(r *records) {
			for range 10_000 {
				r.send(data, []byte("12345"))
			}
		}},
		"long records": {want: 10 << 14, send: func(r *records) {
			for range 10 {
				r.send(data, make([]byte, 1<<14))
			}
		}},
		"few key updates": {want: 100, send: func(r *records) {
			for range 100 {
				r.updateKey()
				r.send(data, []byte{1})
			}
		}},
		"key updates now and then": {want: 1000, send: func(r *records) {
			for range 1000 {
				r.updateKey()
				r.send(data, []byte{1})
				time.Sleep(time.Second)
			}
		}},
		"key updates without end": {want: 205, ends: true, send: func(r *records) { // of 5 bytes each, not counting the first
			for r.err == nil {
				r.updateKey()
				r.send(data, []byte{1})
			}
		}},
		"padding without end": {want: 12, ends: true, send: func(r *records) {
			for r.err == nil {
				r.send(data, append([]byte{1, data}, make([]byte, 99)...))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				var keys bytes.Buffer
				server := TLSServer(near, &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true})
				client := tls.Client(far, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &keys})
				go server.Handshake()
				if err := client.Handshake(); err != nil {
					t.Fatal(err)
				}
				nc := HardClose(server)
				go func() {
					tc.send(newRecords(far, keys.String()))
					far.Close()
				}()
				got, err := io.ReadAll(io.LimitReader(nc, 1<<20))
				nc.Close()
				if len(got) != tc.want || errors.Is(err, wire.ProtocolError) != tc.ends {
					t.Errorf("%d bytes, %v; want %d", len(got), err, tc.want)
				}
			})
		})
	}
}

// records sends TLS records that crypto/tls does not.
type records struct {
	nc     net.Conn
	err    error
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// newRecords returns the records of a client that has logged its keys after a
// handshake with TLS_AES_128_GCM_SHA256.
func newRecords(nc net.Conn, keys string) *records {
	r := &records{nc: nc}
	for line := range strings.Lines(keys) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			r.secret, r.err = hex.DecodeString(f[2])
		}
	}
	r.useSecret()
	return r
}

func (r *records) useSecret() {
	block, err := aes.NewCipher(r.derive("key", 16))
	if err != nil {
		panic(err)
	}
	r.aead, r.err = cipher.NewGCM(block)
	r.iv, r.seq = r.derive("iv", 12), 0
}

// derive is HKDF-Expand-Label of RFC 8446.
func (r *records) derive(label string, n int) []byte {
	label = "tls13 " + label
	out, err := hkdf.Expand(sha256.New, r.secret, string([]byte{0, byte(n), byte(len(label))})+label+"\x00", n)
	if err != nil {
		panic(err)
	}
	return out
}

// send sends a record whose content is of the type kind.
func (r *records) send(kind byte, content []byte) {
	if r.err != nil {
		return
	}
	if len(content) < 2 || content[1] != kind { // otherwise it is padded already
		content = append(bytes.Clone(content), kind)
	}
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(content)+r.aead.Overhead()))
	nonce := bytes.Clone(r.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, r.seq) {
		nonce[4+i] ^= b
	}
	r.seq++
	_, r.err = r.nc.Write(r.aead.Seal(head, nonce, content, head))
}

// updateKey sends a key update, and uses the new key.
func (r *records) updateKey() {
	if r.send(22, []byte{24, 0, 0, 1, 0}); r.err == nil {
		r.secret = r.derive("traffic upd", 32)
		r.useSecret()
	}
}
