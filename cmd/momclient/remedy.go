package main

import (
	"errors"
	"regexp"

	"mom.internal/wire"
)

// remedies are the flags to look at, where the server or this side does not
// accept the other.
var remedies = map[wire.Code]string{
	wire.TLSMismatch:    "-tls and -tls-ca",
	wire.BadCertificate: "-tls-ca, and -tls-cert with -tls-key",
	wire.Unauthorized:   "-token-file and MOM_TOKEN",
}

// settings matches the names that this side's library has for its bounds, at
// the end of what it says about them. What the server says of its own stays:
// whoever runs it may know them.
var settings = regexp.MustCompile(` \(Options\.[^()]*\)`)

// advised returns err in words of the command: with the flags that may help
// against it, and without settings that only a program can make.
func advised(err error) error {
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
	if errors.As(err, &e) && remedies[e.Code] != "" {
		words += "; see " + remedies[e.Code]
	}
	return &advice{err, words}
}

// advice is an error in other words.
type advice struct {
	error
	words string
}

func (a *advice) Error() string { return a.words }
func (a *advice) Unwrap() error { return a.error }
