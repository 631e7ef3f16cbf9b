package main

import (
	"crypto/tls"
	"testing"

	"mom.internal/momserver"
)

// TestRequires says what a client needs.
func TestRequires(t *testing.T) {
	on := new(tls.Config)
	for _, tc := range []struct {
		c    config
		want string
	}{
		{config{}, "nothing"},
		{config{Server: momserver.Config{Token: "secret"}}, "token"},
		{config{Server: momserver.Config{TLS: on}}, "TLS"},
		{config{Server: momserver.Config{TLS: on, Token: "secret"}, tlsCA: "ca.pem"}, "TLS, client certificate, token"},
	} {
		if got := tc.c.requires(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
