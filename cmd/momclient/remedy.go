package main

import (
	"errors"
	"fmt"

	"mom/wire"
)

// remedies are the flags to look at, where the server or this side does not
// accept the other.
var remedies = map[wire.Code]string{
	wire.CodeTLS:          "-tls and -tls-ca",
	wire.CodeCertificate:  "-tls-ca, and -tls-cert with -tls-key",
	wire.CodeUnauthorized: "-token-file and MOM_TOKEN",
}

// advised returns err with the flags that may help against it. Its own words
// are of no command.
func advised(err error) error {
	var e *wire.Error
	if errors.As(err, &e) && remedies[e.Code] != "" {
		return fmt.Errorf("%w; see %s", err, remedies[e.Code])
	}
	return err
}
