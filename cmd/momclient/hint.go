package main

import (
	"crypto/x509"
	"errors"
	"regexp"

	"mom.internal/wire"
)

// hints are the flags that may be wrong if the server or this side does not
// accept the other.
var hints = map[wire.Code]string{
	wire.TLSMismatch:    "-tls and -tls-ca",
	wire.BadCertificate: "-tls-ca, and -tls-cert with -tls-key",
	wire.Unauthorized:   "-token-file and MOM_TOKEN",
}

// settings matches the name of a setting at the end of a message of the client
// library. Names of the server's settings stay, because the operator of the
// server may know them.
var settings = regexp.MustCompile(` \(Options\.[^()]*\)`)

// withHint adds to err the flags that may help, and removes settings that only
// a program can make.
func withHint(err error) error {
	if err == nil {
		return nil
	}
	words := settings.ReplaceAllStringFunc(err.Error(), func(name string) string {
		if name == " (Options.Period)" {
			return " (-period)"
		}
		return ""
	})
	var e *wire.Error
	if errors.As(err, new(x509.HostnameError)) {
		words += "; the certificate must have the host of the server's address in its subjectAltName"
	} else if errors.As(err, &e) && hints[e.Code] != "" {
		words += "; see " + hints[e.Code]
	}
	return &hintedError{err, words}
}

// hintedError is an error with another text.
type hintedError struct {
	error
	words string
}

func (e *hintedError) Error() string { return e.words }
func (e *hintedError) Unwrap() error { return e.error }
