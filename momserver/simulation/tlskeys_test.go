package simulation_test

import (
	"crypto/tls"
	"math/rand/v2"
	"time"

	"mom.internal/wire/wiretest/certs"
)

// tlsKeys are for TLS on all connections of a simulation. What is drawn by crypto/tls
// itself is not the seed's, but it has the same lengths, and so the same
// effects.
type tlsKeys struct{ server, client *tls.Config }

// drawKeys draws whether there are any.
func drawKeys(seed uint64) *tlsKeys {
	if rand.New(rand.NewPCG(seed, hash("keys"))).IntN(4) > 0 {
		return nil
	}
	a := certs.NewAuthority()
	return &tlsKeys{
		server: &tls.Config{Certificates: []tls.Certificate{a.Issue("server", time.Hour, "server")}},
		client: &tls.Config{RootCAs: a.Pool()},
	}
}

// ofServer returns the server's settings; nil for no TLS.
func (k *tlsKeys) ofServer() *tls.Config {
	if k == nil {
		return nil
	}
	return k.server
}

// ofClient returns settings of a client's own.
func (k *tlsKeys) ofClient() *tls.Config {
	if k == nil {
		return nil
	}
	return k.client.Clone()
}
