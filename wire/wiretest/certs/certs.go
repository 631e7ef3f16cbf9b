// Package certs makes certificates.
//
// It supports the tests of this module only. Nothing in it is promised.
package certs

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Authority signs certificates for tests. Its methods panic where crypto
// fails, which it does not. The keys are of Ed25519, whose signatures are all
// of one length: two handshakes with certificates of the same names have the
// same lengths.
type Authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
	next int64 // serial number
}

// NewAuthority makes an authority with a key of its own.
func NewAuthority() *Authority {
	a := &Authority{key: newKey(), next: 1}
	template := a.template("MoM test authority", time.Hour)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	a.cert = must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key))))
	return a
}

// Pool returns a pool that trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// PEM returns the authority's certificate as a file of authorities holds it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// PEM returns what Issue returned as the two files hold it.
func PEM(c tls.Certificate) (cert, key []byte) {
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))})
	return cert, key
}

// Issue returns a certificate for servers and clients: of the common name, for
// the hosts, names or addresses, and valid from a minute ago for the duration,
// which is negative for an expired one.
func (a *Authority) Issue(name string, valid time.Duration, hosts ...string) tls.Certificate {
	key, template := newKey(), a.template(name, valid)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *Authority) template(name string, valid time.Duration) *x509.Certificate {
	a.next++
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(min(-time.Minute, 2*valid)), NotAfter: now.Add(valid),
	}
}

func newKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
