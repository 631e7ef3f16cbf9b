// Package tlsfiles makes TLS configurations from PEM files. It reads a file
// again if it has changed, for the connections that follow, so that no
// connection is dropped. Both commands use it.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"mom.internal/cmd/internal/filewatch"
)

// Pair is a certificate and its key.
type Pair struct {
	files *filewatch.Value[*tls.Certificate]
}

// ReadPair reads a certificate, which its chain may follow, and its key. report
// receives the errors of later versions of the files. It must not block.
func ReadPair(cert, key string, report func(error)) (*Pair, error) {
	files, err := filewatch.New(report, func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%s with %s: %w", cert, key, err)
		}
		return &pair, nil
	}, cert, key)
	return &Pair{files}, err
}

// Pool is a set of certificates of authorities.
type Pool struct {
	files *filewatch.Value[*x509.CertPool]
}

// ReadPool reads the certificates in a file, at least one.
func ReadPool(path string, report func(error)) (*Pool, error) {
	files, err := filewatch.New(report, func() (*x509.CertPool, error) {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s", path)
		}
		return pool, nil
	}, path)
	return &Pool{files}, err
}

// Server returns the configuration of a server with the certificate. If clients
// is not nil, the server requires certificates that its authorities signed.
func Server(own *Pair, clients *Pool) *tls.Config {
	cfg := &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own.files.Get(), nil },
	}
	if clients == nil {
		return cfg
	}
	cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, clients.files.Get()
	now := cfg.Clone()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		cfg := now.Clone()
		cfg.ClientCAs = clients.files.Get()
		return cfg, nil
	}
	return cfg
}

// Client returns the configuration of a client of the server at host. The
// client trusts the authorities of servers, or those of the system if servers
// is nil. It presents own, unless own is nil.
func Client(host string, own *Pair, servers *Pool) *tls.Config {
	if host == "" {
		host = "localhost" // an empty host dials localhost; a name is required
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: host}
	if own != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own.files.Get(), nil }
	}
	if servers != nil {
		// crypto/tls has no hook for authorities that change. So
		// VerifyConnection makes the same check with the current authorities.
		cfg.InsecureSkipVerify = true
		cfg.VerifyConnection = func(state tls.ConnectionState) error {
			return verify(state.PeerCertificates, host, servers.files.Get())
		}
	}
	return cfg
}

// verify checks the chain of a server as crypto/tls does.
func verify(chain []*x509.Certificate, host string, roots *x509.CertPool) error {
	opts := x509.VerifyOptions{Roots: roots, DNSName: host, Intermediates: x509.NewCertPool()}
	for _, cert := range chain[1:] {
		opts.Intermediates.AddCert(cert)
	}
	if _, err := chain[0].Verify(opts); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return nil
}
